import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeError, isSecretName, redacted, redactFields, redactText } from './redact.ts';

/** Numbers that issuers publish for tests; all pass Luhn. */
const cards = [
  '4111111111111111',
  '4242424242424242',
  '5555555555554444',
  '2223003122003222',
  '378282246310005',
  '30569309025904',
  '6011111111111117',
  '3566002020360505',
  '6200000000000005',
  '4222222222222',
  '6759649826438453',
  '6304000000000000000',
];

const luhnDigit = (digits: string) => {
  for (let last = 0; last < 10; last++) {
    const all = `${digits}${last}`;
    let sum = 0;
    for (let i = 0; i < all.length; i++) {
      const digit = Number(all[all.length - 1 - i]);
      sum += i % 2 === 1 ? (digit * 2 > 9 ? digit * 2 - 9 : digit * 2) : digit;
    }
    if (sum % 10 === 0) return all;
  }
  throw new Error('unreachable');
};

const digitsOf = (length: number) =>
  fc.array(fc.nat(9), { minLength: length, maxLength: length }).map((d) => d.join(''));
const visa = digitsOf(14).map((rest) => luhnDigit(`4${rest}`));
const amex = digitsOf(12).map((rest) => luhnDigit(`37${rest}`));
const mastercard = fc.tuple(fc.integer({ min: 51, max: 55 }), digitsOf(13)).map(([a, b]) => luhnDigit(`${a}${b}`));
const maestro = digitsOf(17).map((rest) => luhnDigit(`6${rest}`));
const card = fc.oneof(visa, amex, mastercard, maestro, fc.constantFrom(...cards));

/** A token nobody could mistake for ordinary text. */
const secret = fc
  .array(fc.constantFrom(...'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'), {
    minLength: 12,
    maxLength: 40,
  })
  .map((characters) => `Zq9${characters.join('')}`);

const json = (value: unknown) => JSON.stringify(redactFields({ value }));
const sees = (text: string, hidden: string) => text.replace(/[ ._/\\-]/g, '').includes(hidden);

test('card numbers are hidden in any text, however they are grouped', () => {
  const grouped = (digits: string, separator: string) => digits.replace(/(\d{4})(?=\d)/g, `$1${separator}`);
  const separator = fc.constantFrom('', ' ', '-', '.', '  ', ' - '.trim());
  const around = fc.constantFrom('', ' ', 'card: ', 'pan=', '"', '(', 'Nr. ', '\n', 'x');
  fc.assert(
    fc.property(card, separator, around, around, (digits, sep, before, after) => {
      const text = `${before}${grouped(digits, sep)}${after}`;
      expect(sees(redactText(text), digits)).toBe(false);
    }),
    { numRuns: 500 },
  );
});

test('card numbers are hidden next to other digits', () => {
  for (const digits of cards) {
    for (const text of [
      `${digits} 12/30 123`,
      `${digits} 1230`,
      `12 ${digits}`,
      `id 7 ${digits}, 8`,
      `0000${digits}`,
      `${digits}|12|30|123`,
    ]) {
      expect(sees(redactText(text), digits), text).toBe(false);
    }
  }
  const track2 = ';4111111111111111=30121010000012300000?';
  expect(redactText(track2)).not.toContain('4111111111111111');
  expect(redactText(`9999999${cards[0]}9999999`)).not.toContain(cards[0]);
});

test('card numbers are hidden at any depth, in any kind of value, as a number and as a name', () => {
  const nest = (depth: number, value: unknown): unknown =>
    depth === 0 ? value : depth % 2 === 0 ? [nest(depth - 1, value)] : { inner: nest(depth - 1, value) };
  fc.assert(
    fc.property(card, fc.nat(12), (digits, depth) => {
      expect(json(nest(depth, digits))).not.toContain(digits);
      expect(json(nest(depth, `paid with ${digits}.`))).not.toContain(digits);
      expect(json(nest(depth, BigInt(digits)))).not.toContain(digits);
      if (Number(digits) <= Number.MAX_SAFE_INTEGER) expect(json(nest(depth, Number(digits)))).not.toContain(digits);
      expect(json(nest(depth, { [digits]: 1 }))).not.toContain(digits);
      expect(json(nest(depth, new Map([['note', digits]])))).not.toContain(digits);
      expect(json(nest(depth, new Set([digits])))).not.toContain(digits);
      expect(json(nest(depth, new Error(`declined ${digits}`)))).not.toContain(digits);
    }),
  );
});

const secretNames = [
  'password',
  'Password',
  'userPassword',
  'password_hash',
  'passwd',
  'pwd',
  'passphrase',
  'secret',
  'clientSecret',
  'client_secret',
  'token',
  'accessToken',
  'refresh_token',
  'csrf-token',
  'authorization',
  'Authorization',
  'Proxy-Authorization',
  'cookie',
  'Cookie',
  'set-cookie',
  'apiKey',
  'api_key',
  'X-Api-Key',
  'APIKEY',
  'privateKey',
  'secretAccessKey',
  'signing_key',
  'credentials',
  'cardNumber',
  'card_number',
  'cvc',
  'cvv2',
  'card',
  'pan',
  'jwt',
]; // prettier-ignore

test('fields with the name of a secret are hidden, in any spelling, at any depth', () => {
  fc.assert(
    fc.property(fc.constantFrom(...secretNames), secret, (name, hidden) => {
      expect(isSecretName(name)).toBe(true);
      for (const value of [
        { [name]: hidden },
        { [name]: [hidden] },
        { [name]: { deep: hidden } },
        { headers: [{ [name]: hidden }] },
        new Map([[name, hidden]]),
        { rawHeaders: ['host', 'shop', name, hidden] },
        { name, value: hidden },
        { key: name, value: hidden },
        Object.assign(new Error('x'), { config: { [name]: hidden } }),
        new Error('outer', { cause: new Error('inner', { cause: { [name]: hidden } }) }),
        new AggregateError([new Error('x', { cause: { [name]: hidden } })]),
        { toJSON: () => ({ [name]: hidden }) },
        { toJSON: () => ({ toJSON: () => ({ [name]: hidden }), [name]: hidden }) },
        {
          get [name]() {
            return hidden;
          },
        },
        Object.assign(Object.create(null), { [name]: hidden }),
        new (class Settings {
          constructor() {
            Object.assign(this, { [name]: hidden });
          }
        })(),
        JSON.parse(`{"__proto__": {${JSON.stringify(name)}: ${JSON.stringify(hidden)}}}`),
      ])
        expect(json(value)).not.toContain(hidden); // prettier-ignore
    }),
  );
});

test('secrets written inside of texts are hidden', () => {
  const shapes: readonly ((s: string) => string)[] = [
    (s) => `Bearer ${s}`,
    (s) => `authorization: Bearer ${s}`,
    (s) => `bearer  ${s}, next`,
    (s) => `{"authorization":"Bearer ${s}"}`,
    (s) => `GET /x?access_token=${s}&page=2`,
    (s) => `GET /x?page=2&apiKey=${s}`,
    (s) => `token%3D${s}`,
    (s) => `Bearer%20${s}`,
    (s) => `password=${s}`,
    (s) => `password: "${s} with words ${s}"`,
    (s) => `{"password":"${s}"}`,
    (s) => JSON.stringify(JSON.stringify({ password: `${s} ${s}` })),
    (s) => JSON.stringify(JSON.stringify({ nested: { client_secret: s } })),
    (s) => `{ clientSecret: '${s}' }`,
    (s) => `card[cvc]=${s}`,
    (s) => `secret => ${s}`,
    (s) => `Cookie: a=1; sid=${s}; b=2`,
    (s) => `set-cookie: sid=${s}; HttpOnly`,
    (s) => `postgres://holdfast:${s}@127.0.0.1:5432/orders`,
    (s) => `postgres://holdfast:${s}@${s}@127.0.0.1/orders`,
    (s) => `sk_live_${s}`,
    (s) => `the key sk_test_${s}.`,
    (s) => `whsec_${s}`,
    (s) => `-----BEGIN PRIVATE KEY-----\n${s}\n-----END PRIVATE KEY-----`,
    (s) => `-----BEGIN EC PRIVATE KEY-----\n${s}`,
    (s) => `$argon2id$v=19$m=65536,t=3,p=4$${s}`,
    (s) => `eyJhbGciOiJFZERTQSJ9.${s}.${s}`,
    (s) => `Basic ${Buffer.from(`user:${s}`).toString('base64')}`,
  ];
  fc.assert(
    fc.property(
      secret,
      fc.constantFrom(...shapes),
      fc.constantFrom('', 'failed: ', '\n', '('),
      (hidden, shape, before) => {
        const text = `${before}${shape(hidden)}`;
        const encoded = Buffer.from(`user:${hidden}`).toString('base64');
        for (const clean of [
          redactText(text),
          json(text),
          json({ a: [{ b: text }] }),
          json(new Error(text, { cause: new Error(text) })),
          json(Object.assign(new Error('x'), { detail: text })),
          describeError(new Error('outer', { cause: new Error(text) })),
        ]) {
          expect(clean).not.toContain(hidden);
          expect(clean).not.toContain(encoded);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('ordinary values stay as they are, and are not copied', () => {
  const fields = {
    orderId: 'ord_01J5A3K9QZ8X4T2V7M6N1P0RSW',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    hash: '9b74c9897bac770ffc029102a200c5de01234567890123456789abcdef012345',
    uuid: '550e8400-e29b-41d4-a716-446655440000',
    hlc: '019012345678-0003',
    at: '2030-01-01T00:00:00.000Z',
    atMs: 1_893_456_000_000,
    range: '1893456000000-1893456009999',
    atMicroseconds: 1_893_456_000_000_123,
    amountMinor: 129_900,
    currency: 'EUR',
    gtin: '5901234123457',
    fencingToken: 7,
    idempotencyKey: 'till-3/2030-01-01/42',
    company: 'Panorama Compass Ltd',
    path: '/orders/ord_01J5A3K9QZ8X4T2V7M6N1P0RSW?page=2',
    url: 'http://127.0.0.1:8080/orders',
    text: 'the basic order of things: 12 units, 3 boxes, since 2024-12-31 23:59:59',
    address: '10.0.0.1:5432',
    none: null,
    missing: undefined,
    yes: true,
    nested: { list: [1, 2, { deep: 'fine' }] },
  };
  expect(redactFields(fields)).toBe(fields);
});

test('whether a secret is there at all may be seen', () => {
  expect(redactFields({ token: null, password: undefined, cookie: false })).toEqual({
    token: null,
    password: undefined,
    cookie: false,
  });
  expect(redactFields({ token: '' })).toEqual({ token: redacted });
});

test('what was passed is never changed', () => {
  const fields = { password: 'x', list: ['Bearer abc'], error: new Error('Bearer abc') };
  const before = structuredClone({ password: fields.password, list: fields.list });
  redactFields(fields);
  expect({ password: fields.password, list: fields.list }).toEqual(before);
  expect(fields.error.message).toBe('Bearer abc');
});

test('odd values are survived: circles, depth, size, throwing getters, bytes, dates', () => {
  const circle: Record<string, unknown> = { a: 1 };
  circle['self'] = circle;
  expect(redactFields(circle)).toEqual({ a: 1, self: '[circular]' });
  const error: Error & { self?: unknown } = new Error('x');
  error.self = error;
  error.cause = error;
  expect(json(error)).toContain('[circular]');
  let deep: unknown = 'bottom';
  for (let i = 0; i < 100; i++) deep = { deep };
  expect(json(deep)).toContain('[too deep]');
  const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i]));
  expect(Object.keys(redactFields(wide))).toHaveLength(200);
  expect(json(Array.from({ length: 1_000 }, (_, i) => i))).toContain('900 more');
  expect(json('a'.repeat(100_000)).length).toBeLessThan(17_000);
  expect(
    json({
      get broken() {
        throw new Error('no');
      },
      fine: 1,
    }),
  ).toContain('"fine":1'); // prettier-ignore
  expect(
    json({
      toJSON() {
        throw new Error('no');
      },
    }),
  ).toContain('unreadable'); // prettier-ignore
  expect(json(Buffer.from('4111111111111111'))).toBe('{"value":"[16 bytes]"}');
  expect(json(new Date(0))).toBe('{"value":"1970-01-01T00:00:00.000Z"}');
  expect(json(new Date(Number.NaN))).toBe('{"value":"Invalid Date"}');
  expect(json(new Headers({ authorization: 'Bearer abc', host: 'shop' }))).toBe(
    `{"value":{"authorization":"${redacted}","host":"shop"}}`,
  );
  expect(json(Symbol('s'))).toBe('{"value":"Symbol(s)"}');
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withNullPrototype: true,
        withObjectString: true,
        withTypedArray: true,
      }),
      (value) => {
        JSON.stringify(redactFields({ value }));
      },
    ),
    { numRuns: 500 },
  ); // prettier-ignore
});

test('an object that holds another many times over is cut, and hides what it should all the same', () => {
  let many: unknown = { password: 'hunter2', note: 'Bearer hunter2' };
  for (let i = 0; i < 7; i++) many = new Array(100).fill(many);
  const text = json(many);
  expect(text).toContain('[too large]');
  expect(text).not.toContain('hunter2');
  expect(text.length).toBeLessThan(2_000_000);
});

test('a secret is not cut off from the name that gives it away', () => {
  for (let length = 16_250; length < 16_400; length += 3) {
    expect(json(`${'a'.repeat(length)} password=hunter2hunter2 tail`)).not.toContain('hunter2');
  }
});

test('no text takes long, whoever wrote it', () => {
  for (const piece of [
    'a',
    'eyJ',
    'token',
    'secret-',
    '1',
    '1 ',
    '4111',
    '://',
    'bearer ',
    'password="\\',
    'cookie:',
    '\\"',
    'A.b-',
    'a@',
    'basic ',
    '-----BEGIN PRIVATE KEY-----',
  ]) {
    for (const start of ['', 'token ']) {
      // The best of three: a crowded machine may interrupt any one of them.
      const tookMs = (length: number) => {
        const text = start + piece.repeat(Math.ceil(length / piece.length));
        const all = [1, 2, 3].map(() => {
          const startMs = performance.now();
          redactText(text);
          return performance.now() - startMs;
        });
        return Math.min(...all);
      };
      // Where machines are slow: what grows with the square of the length takes sixteen times as long for four times as much.
      const boundMs = Math.max(100, 8 * tookMs(4_096));
      expect(tookMs(16_384), piece).toBeLessThan(boundMs);
    }
  }
});
