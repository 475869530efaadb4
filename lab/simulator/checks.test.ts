import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { copiesConverge } from '#lab/checkers';
import type { Check } from './check.ts';
import { checks, isQuiet } from './checks.ts';
import { type BookCall, hashOfKey, type Visit } from './door/book.ts';
import { auditTellsAll, revokedKeysStayOut, secretsAreInNoTable } from './door/books-checks.ts';
import {
  changesOfProductsStay,
  ordersCostWhatGoodsCost,
  ordersHaveTheirOwners,
  refreshTokensWorkOnce,
} from './door/checks.ts';
import { cartsLoseNothing, knowledgeIsAsOld, tillsCountOnce } from './errand-checks.ts';
import type { Facts, LogFact } from './fact-rows.ts';
import { lettersMatchEvents } from './letters-check.ts';
import { salesModels } from './sales.ts';
import { deliveriesEnd, eventsReachEndpoints } from './webhooks/check.ts';

const at = (ms: number) => new Date(ms).toISOString();

const data = {
  channel: 'web',
  totalMinor: 500,
  lines: [{ kind: 'goods', sku: 'A', name: 'A', quantity: 2, unitPriceMinor: 250, totalMinor: 500 }],
} as const;

const log: readonly LogFact[] = [
  { partition: 1, offset: 0, eventId: 'e1', type: 'order.received', orderId: 'ord_1', data },
  { partition: 1, offset: 1, eventId: 'e2', type: 'order.confirmed', orderId: 'ord_1', data },
];
const figures = {
  orders: 1,
  units: 2,
  grossMinor: 500,
  refundedMinor: 0,
  returnedUnits: 0,
  cancelledOrders: 0,
  refusedOrders: 0,
};

const [oldSecret, newSecret] = ['old', 'new'].map((name) => `whsec_${Buffer.from(name).toString('base64')}`) as [
  string,
  string,
];
const confirmed = { type: 'order.confirmed', timestamp: at(9_000), data: { state: 'confirmed', orderId: 'ord_1' } };

/** A message as a merchant gets it, signed by these. */
function posted(id: string, content: object, ...secrets: readonly string[]): Facts['delivered'][number] {
  const [body, timestampSec] = [JSON.stringify(content), 9];
  const signatureOf = (secret: string) => new Webhook(secret).sign(id, new Date(timestampSec * 1_000), body);
  return { url: 'https://merchant/hook', id, body, timestampSec, signature: secrets.map(signatureOf).join(' ') };
}

const ofBooks = { at: 'gateway-1 (1)' };
const visit = (over: Partial<Visit>): Visit => ({
  ...{ correlationId: 'op-1', operation: 'orders.get', isChange: true, as: 'admin' },
  ...{ ...ofBooks, status: 200, answeredAtMs: 5_000 },
  ...over,
});

/** One order of two units: published, read, told of and counted. The other checks are tested in lab/checkers. */
const sound: Facts = {
  operations: [],
  orders: [
    {
      id: 'ord_1',
      customerId: 'usr_1',
      state: 'confirmed',
      totalMinor: 500,
      refundedMinor: 0,
      lines: data.lines,
      scope: 'guest:a',
      businessKey: 'place-1',
    },
  ],
  sagas: [{ id: 'ord_1', orderId: 'ord_1', definition: 'place-order', status: 'completed', step: 5 }],
  outbox: [],
  log,
  applied: [
    { eventId: 'e1', orderId: 'ord_1' },
    { eventId: 'e2', orderId: 'ord_1' },
  ],
  views: [{ orderId: 'ord_1', state: 'confirmed' }],
  deadLetters: [],
  letters: [
    { id: 'ntf_1', eventId: 'e2', template: 'order.confirmed', status: 'sent' },
    { id: 'ntf_3', eventId: 'e9', template: 'user.refresh-token-reused', status: 'sent' },
  ],
  mails: [
    { messageId: 'ntf_1@shop', recipient: 'a@example.com', subject: 'Your order ord_1 is confirmed' },
    { messageId: 'ntf_3@shop', recipient: 'a@example.com', subject: 'A session was ended for your safety' },
  ],
  givenUp: [],
  models: salesModels(log, figures, [{ sku: 'A', units: 2, returnedUnits: 0 }]),
  followers: { reader: true, notifications: true },
  stock: [
    { sku: 'A', received: 10, onHand: 3, held: 0, sold: 2, writtenOff: 0, sent: 5, arrived: 0, version: 4 },
    {
      sku: 'A',
      holder: 'till_1',
      received: 0,
      onHand: 3,
      held: 0,
      sold: 2,
      writtenOff: 0,
      sent: 0,
      arrived: 5,
      version: 2,
    },
  ],
  movements: [
    { sku: 'A', version: 1, kind: 'receive', quantity: 10, reference: 'r1' },
    { sku: 'A', version: 2, kind: 'hold', quantity: 2, reference: 'ord_1' },
    { sku: 'A', version: 3, kind: 'commit', quantity: 2, reference: 'ord_1' },
    { sku: 'A', version: 4, kind: 'send', quantity: 5, reference: 'tr1' },
    { sku: 'A', holder: 'till_1', version: 1, kind: 'arrive', quantity: 5, reference: 'tr1' },
    { sku: 'A', holder: 'till_1', version: 2, kind: 'sell', quantity: 2, reference: 'sal_1' },
  ],
  errands: {
    carts: [{ customer: 'usr_1', added: new Map([['A', 3]]) }],
    tills: [
      {
        tillId: 'till_1',
        stockedUp: new Map([['A', 5]]),
        handedBack: new Map(),
        refused: { in: new Map(), out: new Map() },
        sales: [{ saleId: 'sal_1', lines: [{ sku: 'A', quantity: 2 }] }],
      },
    ],
    said: [{ startMs: 0, endMs: 1, knowledge: { products: 1, state: 'current', asOf: at(2_000), ageMs: 0, text: '' } }],
    owners: [{ orderId: 'ord_1', customerId: 'usr_1' }],
    sessions: [
      {
        sessionId: 'ses_1',
        userId: 'usr_1',
        exchanges: [
          { token: 't1', successor: 't2' },
          { token: 't1', successor: 't2' },
          { token: 't2', successor: 't3' },
        ],
        theft: { isTaken: false, isNewestTaken: false },
      },
    ],
    edits: [{ productId: 'prd_A', marks: ['e1'] }],
    endpoints: [
      {
        ...{ url: 'https://merchant/hook', types: ['order.confirmed'], askedAtMs: 0, madeAtMs: 1 },
        ...{ secrets: [oldSecret, newSecret], tests: [{ messageId: 'msg_test', secret: newSecret }] },
      },
    ],
    keys: [
      {
        ...{ keyId: 'key_1', key: 'hf_secret', correlationId: 'op-9....', revokedAtMs: 10_000, trespasses: [403, 503] },
        uses: [
          { startMs: 9_000, endMs: 9_001, was: 'served' },
          { startMs: 10_500, endMs: 10_501, was: 'served' },
          { startMs: 12_000, endMs: 12_001, was: 'refused' },
        ],
      },
    ],
    secrets: new Set(['hf_secret', newSecret]),
  },
  delivered: [
    posted('msg_1', confirmed, oldSecret, newSecret),
    posted('msg_1', confirmed, oldSecret, newSecret),
    posted('msg_test', { type: 'webhook.test', timestamp: at(9_000), data: {} }, oldSecret, newSecret),
  ],
  deliveries: [
    { id: 'whd_1', status: 'failed', attempts: 5, replayOf: null },
    { id: 'whd_2', status: 'delivered', attempts: 1, replayOf: 'whd_1' },
  ],
  notPosted: [],
  told: [
    { type: 'order.received', time: at(8_000), data: { orderId: 'ord_1' } },
    { type: 'order.confirmed', time: at(9_000), data: { orderId: 'ord_1', state: 'confirmed' } },
  ],
  clockStepMsMax: 0,
  door: {
    visits: [
      visit({ correlationId: 'op-1', operation: 'inventory.receive' }),
      visit({ correlationId: 'op-2', operation: 'orders.get', isChange: false }),
      visit({ correlationId: 'op-3', operation: 'orders.place', as: 'anonymous' }),
    ],
    ended: new Map(),
    calls: [],
  },
  audit: [
    { correlationId: 'op-1', operation: 'inventory.receive', status: 200, actorKind: 'admin' },
    { correlationId: 'op-2', operation: 'orders.get', status: 200, actorKind: 'admin' },
  ],
  tables: [{ database: 'gateway', row: 'api_key (key_1,hf_se)' }],
  accountEvents: [{ eventId: 'e9', type: 'user.refresh-token-reused', role: null, sessionId: 'ses_1' }],
  productEvents: [
    { productId: 'prd_A', version: 1, prices: { A: 250 } },
    { productId: 'prd_A', version: 2, prices: { A: 251 } },
  ],
  sessions: [
    { id: 'ses_1', endedWhy: 'reuse' },
    { id: 'ses_2', endedWhy: null },
  ],
  products: [{ id: 'prd_A', version: 2, attributes: { e1: 'changed' }, prices: { A: 251 } }],
  waiting: 0,
  carts: [{ id: 'crt_1', customerId: 'usr_1', lines: { seen: { crt_1: 2 }, dots: { A: [['crt_1', 2, 1]] } } }],
  checkouts: [{ businessKey: 'crt_1.1', cartId: 'crt_1', state: 'confirmed', orderId: 'ord_1' }],
  tillEntries: [{ saleId: 'sal_1', settled: true }],
  news: [{ id: 'prd_A', sku: 'A', version: 1, toldAtMs: 1_000 }],
  isAssistantsClockSet: false,
};

const found = (check: Check, change: Partial<Facts>): string[] => [...check.find({ ...sound, ...change })];

test('a sound run passes every check', () => {
  for (const check of checks) expect([check.name, ...check.find(sound)]).toEqual([check.name]);
  expect(isQuiet(sound)).toBe(true);
});

test('a run is not quiet while an event waits, or a reader is behind', () => {
  expect(isQuiet({ ...sound, outbox: sound.log })).toBe(false);
  expect(isQuiet({ ...sound, applied: [] })).toBe(false);
  expect(isQuiet({ ...sound, sagas: [{ id: 'ord_1', status: 'running' }] })).toBe(false);
  expect(isQuiet({ ...sound, letters: [] })).toBe(false);
  expect(isQuiet({ ...sound, waiting: 1 })).toBe(false);
});

test('a letter that was not written, written twice, not sent, or sent under two names is found', () => {
  const check = lettersMatchEvents;
  const [letter] = sound.letters as [(typeof sound.letters)[0]];
  const [mail] = sound.mails as [(typeof sound.mails)[0]];
  const ofOrders = (change: Partial<Facts>): string[] => found(check, { accountEvents: [], ...change });
  expect(found(check, { letters: [letter], mails: [mail] })).toEqual([
    'nobody was told of user.refresh-token-reused e9',
  ]);
  expect(ofOrders({ letters: [], mails: [] })).toHaveLength(1);
  expect(ofOrders({ letters: [{ ...letter, status: 'pending' }], mails: [mail] })).toHaveLength(1);
  expect(ofOrders({ letters: [letter], mails: [] })).toHaveLength(1);
  expect(ofOrders({ letters: [letter], mails: [mail, mail] })).toEqual([]);
  const twin = { letters: [letter, { ...letter, id: 'ntf_2' }], mails: [mail, { ...mail, messageId: 'ntf_2@shop' }] };
  expect(ofOrders(twin)).toHaveLength(2);
  expect(
    ofOrders({ letters: [letter], mails: [mail, { ...mail, messageId: 'ntf_9@shop', recipient: 'b@example.com' }] }),
  ).toHaveLength(1);
  expect(ofOrders({ letters: [letter, { ...letter, id: 'ntf_2', eventId: 'e8' }], mails: [mail] })).toHaveLength(2);
  expect(ofOrders({ letters: [letter], mails: [mail], givenUp: ['e2'] })).toHaveLength(1);
});

test('figures that count an event twice, or not at all, are found', () => {
  const products = [{ sku: 'A', units: 2, returnedUnits: 0 }];
  const wrong = (...of: Parameters<typeof salesModels>) => found(copiesConverge, { models: salesModels(...of) }).length;
  expect(wrong(log, figures, products)).toBe(0);
  expect(wrong(log, { ...figures, orders: 2, units: 4, grossMinor: 1000 }, products)).toBe(1);
  expect(wrong(log, undefined, [])).toBe(2);
  expect(wrong(log, figures, [...products, { sku: 'B', units: 1, returnedUnits: 0 }])).toBe(1);
  const [, confirmed] = log as [LogFact, LogFact];
  const change = { ...data, refundMinor: 500 };
  const cancelled = { ...confirmed, offset: 2, eventId: 'e3', type: 'order.cancelled', data: change };
  expect(wrong([...log, cancelled], figures, products)).toBe(2);
});

test('what is lost from a cart, or in it twice, is found, and so is a checkout without an end', () => {
  expect(found(cartsLoseNothing, {})).toEqual([]);
  expect(found(cartsLoseNothing, { carts: [{ ...sound.carts[0]!, lines: { seen: {}, dots: {} } }] })).toEqual([
    'usr_1 added 3 A; in the cart and in its orders: 2 A',
  ]);
  expect(found(cartsLoseNothing, { carts: [] })).toEqual(['the cart of usr_1 is gone']);
  const open = { ...sound.checkouts[0]!, state: 'placed' };
  expect(found(cartsLoseNothing, { checkouts: [open] })).toContain('checkout crt_1.1 is placed for ever');
});

test('a sale of a till that is booked twice, or by nobody, and stock that was handed over twice are found', () => {
  expect(found(tillsCountOnce, {})).toEqual([]);
  expect(found(tillsCountOnce, { tillEntries: [{ saleId: 'sal_1', settled: false }] })).toEqual([
    'nobody has told inventory of sal_1',
  ]);
  const twice = [...(sound.movements ?? []), { ...sound.movements!.at(-1)!, version: 3 }];
  expect(found(tillsCountOnce, { movements: twice })).toEqual(['sal_1 sold 2 A, booked is 4 A']);
  const [main, share] = sound.stock!;
  expect(found(tillsCountOnce, { stock: [main!, { ...share!, arrived: 10, onHand: 8 }] })).toEqual([
    'till_1: 10 A arrived, not 5 A',
  ]);
});

test('an assistant that knows less than it says is found', () => {
  expect(found(knowledgeIsAsOld, {})).toEqual([]);
  const news = [...sound.news, { id: 'prd_B', sku: 'B', version: 1, toldAtMs: 1_000 }];
  expect(found(knowledgeIsAsOld, { news })).toHaveLength(1);
  expect(found(knowledgeIsAsOld, { news: [...sound.news, { ...news[1]!, toldAtMs: 1_900 }] })).toEqual([]);
});

test('an order that is of somebody else, or of whom its client said to be, is found', () => {
  const [order] = sound.orders as [(typeof sound.orders)[0]];
  const check = ordersHaveTheirOwners;
  expect(found(check, { orders: [{ ...order, customerId: 'usr_2' }] })).toEqual([
    'ord_1 was placed by usr_1, and is of usr_2',
  ]);
  expect(found(check, { orders: [{ ...order, customerId: null }] })).toHaveLength(1);
  expect(found(check, { orders: [{ ...order, scope: 'admin:usr_forged' }] })).toHaveLength(1);
});

test('a refresh token that is exchanged twice, taken when used up, or whose theft ends nothing, is found', () => {
  const check = refreshTokensWorkOnce;
  const [story] = sound.errands.sessions as [(typeof sound.errands.sessions)[0]];
  const withStory = (change: Partial<typeof story>) => ({
    errands: { ...sound.errands, sessions: [{ ...story, ...change }] },
  });
  const exchanges = [...story.exchanges, { token: 't1', successor: 't9' }];
  expect(found(check, withStory({ exchanges }))).toEqual(['ses_1: one token was exchanged for two others']);
  expect(found(check, withStory({ theft: { isTaken: true, isNewestTaken: true } }))).toHaveLength(2);
  expect(found(check, { sessions: [{ id: 'ses_1', endedWhy: null }] })).toHaveLength(2);
  expect(found(check, { accountEvents: [] })).toHaveLength(1);
  expect(found(check, { accountEvents: [...sound.accountEvents, ...sound.accountEvents] })).toHaveLength(1);
});

test('a change of a product that is lost, made twice or told of twice is found, and so is a price that never was', () => {
  const check = changesOfProductsStay;
  const [product] = sound.products as [(typeof sound.products)[0]];
  const withProduct = (change: Partial<typeof product>) => ({ products: [{ ...product, ...change }] });
  expect(found(check, withProduct({ attributes: {} }))).toContain('prd_A: change e1 is gone');
  expect(found(check, withProduct({ version: 3 }))).toHaveLength(2);
  expect(found(check, withProduct({ prices: { A: 252 } }))).toHaveLength(1);
  const [first, second] = sound.productEvents as [(typeof sound.productEvents)[0], (typeof sound.productEvents)[0]];
  expect(found(check, { productEvents: [first] })).toHaveLength(1);
  expect(found(check, { productEvents: [first, second, second] })).toHaveLength(1);
  expect(found(check, { productEvents: [second, first] })).not.toEqual([]);
  expect(found(ordersCostWhatGoodsCost, { productEvents: [second] })).toEqual([
    'ord_1 sells A at 250, which it never cost',
  ]);
});

test('an event that a merchant is not told of, told of twice, wrongly signed or not of its kind is found', () => {
  const check = eventsReachEndpoints;
  const [one, again, tried] = sound.delivered as [Facts['delivered'][0], Facts['delivered'][0], Facts['delivered'][0]];
  expect(found(check, { delivered: [tried] })).toEqual([expect.stringContaining('nobody told it of order.confirmed')]);
  expect(found(check, { delivered: [one, again] })).toEqual([expect.stringContaining('never came')]);
  const other = posted('msg_2', confirmed, oldSecret);
  expect(found(check, { delivered: [one, other, tried] })).toEqual([expect.stringContaining('came under 2 ids')]);
  const forged = posted('msg_1', confirmed, newSecret);
  expect(found(check, { delivered: [forged, tried] })).toEqual([expect.stringContaining('not signed by its secret')]);
  const late = posted('msg_test', JSON.parse(tried.body), oldSecret);
  expect(found(check, { delivered: [one, late] })).toEqual([expect.stringContaining('not signed by the new secret')]);
  const received = posted('msg_3', { ...confirmed, type: 'order.received' }, oldSecret);
  expect(found(check, { delivered: [one, received, tried] })).toEqual([expect.stringContaining('should not hear of')]);
  const changed = posted('msg_1', { ...confirmed, data: {} }, oldSecret);
  expect(found(check, { delivered: [one, changed, tried] }).join()).toContain('said one thing and then another');
  expect(found(check, { notPosted: ['e9'] })).toEqual(['webhooks gave up e9']);
});

test('a delivery without an end, tried too often, or given up and forgotten is found', () => {
  const one = { id: 'whd_1', status: 'delivered', attempts: 1, replayOf: null };
  expect(found(deliveriesEnd, { deliveries: [{ ...one, status: 'pending' }] })).toEqual(['whd_1 is pending for ever']);
  expect(found(deliveriesEnd, { deliveries: [{ ...one, attempts: 11 }] })).toEqual(['whd_1 was tried 11 times']);
  expect(found(deliveriesEnd, { deliveries: [{ ...one, status: 'failed' }] })).toHaveLength(1);
});

test('what staff did that is written down twice, or nowhere, is found, unless the process had no time left for it', () => {
  const [line, look] = sound.audit as [Facts['audit'][0], Facts['audit'][0]];
  const { door } = sound;
  const without = (over: Partial<Facts['door']>) =>
    found(auditTellsAll, { audit: [look], door: { ...door, ...over } }).length;
  expect(found(auditTellsAll, { audit: [line, line, look] })).toHaveLength(1);
  expect(without({})).toBe(1);
  const ended = new Map([['gateway-1 (1)', 5_100]]);
  expect(without({ ended })).toBe(1);
  const call = { ...ofBooks, what: 'audit', of: undefined, startMs: 4_900, endMs: 5_000, isDone: true } as const;
  const failed = { ...call, isDone: false };
  expect(without({ ended, calls: [call] })).toBe(1);
  expect(without({ ended, calls: [failed] })).toBe(0);
  expect(without({ ended, calls: [{ ...failed, at: 'gateway-2 (1)' }] })).toBe(1);
  // Before anybody could have waited for it, or when the answer had been given: not why it is missing.
  expect(without({ ended: new Map([[call.at, 20_000]]), calls: [{ ...failed, startMs: -3_100, endMs: -3_000 }] })).toBe(
    1,
  );
  expect(without({ ended, calls: [{ ...failed, startMs: 5_010, endMs: undefined }] })).toBe(1);
  expect(without({ ended, calls: [{ ...failed, startMs: 5_010, endMs: 5_050 }] })).toBe(1);
  // It was put right afterwards.
  const written = [5_020, 5_040].map((startMs) => ({ ...call, startMs, endMs: startMs + 10 }));
  expect(without({ ended, calls: [failed, ...written] })).toBe(1);
  expect(found(auditTellsAll, { audit: [line] })).toHaveLength(1);
  expect(found(auditTellsAll, { audit: [line], door: { ...door, ended } })).toEqual([]);
  expect(
    found(auditTellsAll, { audit: [line], door: { ...door, ended: new Map([['gateway-1 (1)', 9_000]]) } }),
  ).toHaveLength(1);
});

test('a key that opens what it is not for, or something after its end, and a secret in a table are found', () => {
  const [story] = sound.errands.keys as [(typeof sound.errands.keys)[0]];
  const withStory = (change: Partial<typeof story>, door: Partial<Facts['door']> = {}) =>
    found(revokedKeysStayOut, {
      errands: { ...sound.errands, keys: [{ ...story, ...change }] },
      door: { ...sound.door, ...door },
    });
  const late = (startMs: number) => ({ uses: [{ startMs, endMs: startMs + 1, was: 'served' as const }] });
  expect(withStory({ trespasses: [200] })).toEqual(['key_1 was let in to what it is not for']);
  expect(withStory(late(12_000))).toEqual(['key_1 was let in 2000 ms after it was revoked']);
  const used = (answeredAtMs: number) => [
    visit({ correlationId: 'op-9....', operation: 'inventory.availability', answeredAtMs }),
  ];
  const failed = { ...ofBooks, what: 'key', of: hashOfKey('hf_secret'), startMs: 11_000, isDone: false } as const;
  const whenFailed = (call: Partial<BookCall>) =>
    withStory(late(12_000), { visits: used(12_001), calls: [{ ...failed, endMs: 12_000, ...call }] });
  expect(whenFailed({})).toEqual([]);
  // Another door, another key, another time: each use has to be tried by itself.
  expect(whenFailed({ at: 'gateway-2 (1)' })).toHaveLength(1);
  expect(whenFailed({ of: hashOfKey('hf_other') })).toHaveLength(1);
  expect(whenFailed({ endMs: 11_500 })).toHaveLength(1);
  expect(whenFailed({ isDone: true })).toHaveLength(1);
  const tooLate = { visits: used(71_001), calls: [{ ...failed, endMs: 71_000 }] };
  expect(withStory(late(71_000), tooLate)).toHaveLength(1);
  const holding = (text: string) =>
    found(secretsAreInNoTable, { tables: [{ database: 'gateway', row: `api_key ${text}` }] });
  expect(holding('(key_1,hf_se)')).toEqual([]);
  expect(holding('(hf_secret)')).toEqual(['api_key of gateway holds hf_secre…']);
  expect(holding(`(${Buffer.from('hf_secret').toString('hex')})`)).toHaveLength(1);
  expect(holding(`(${Buffer.from('new').toString('hex')})`)).toHaveLength(1);
});
