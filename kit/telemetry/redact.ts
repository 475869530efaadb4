import { redacted, redactText } from './redact-text.ts';

export { redacted, redactText } from './redact-text.ts';

/** Bounds of what is written of one value; beyond them it is cut, so that nothing unseen gets through. */
const depthMax = 8;
const keysMax = 200;
const itemsMax = 100;
const textCharsMax = 16_384;
/** Values of one line in all: an object that holds another many times over could be endless within the other bounds. */
const valuesMax = 10_000;
/** Values that the line under way may still have. Redaction is synchronous, so one is enough. */
let valuesLeft = valuesMax;

/** A field's name, judged once: names come from code, so there are few of them. */
const names = new Map<string, boolean>();
const namesMax = 4_000;

/** Names that say `token` or `key` and mean something that is no secret. */
const harmless = new Set(['fencingtoken', 'tokencount', 'tokentype']);
const secretParts =
  /passw|passphrase|passcode|pwd|secret|token|cookie|apikey|(?:access|private|signing|encryption)key|credential|cardnumber|cardno$|cvc|cvv|securitycode|authori[sz]ation$/;
const secretNames = new Set(['pan', 'pin', 'auth', 'jwt', 'bearer', 'otp', 'csc', 'card', 'accountnumber', 'iban']);

/** Whether a field of this name holds a secret, in any spelling: `apiKey`, `X-Api-Key`, `api_key`. */
export function isSecretName(name: string): boolean {
  let isSecret = names.get(name);
  if (isSecret === undefined) {
    const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
    isSecret = secretNames.has(plain) || (secretParts.test(plain) && !harmless.has(plain));
    if (names.size >= namesMax) names.clear();
    names.set(name, isSecret);
  }
  return isSecret;
}

/** A field's value as it may be written. */
export function redactField(name: string, value: unknown): unknown {
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  valuesLeft = valuesMax;
  return isSecretName(name) ? redacted : redactValue(value, 0, undefined);
}

/** Fields as they may be written: the same object when there is nothing to hide, else a copy. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  valuesLeft = valuesMax;
  return redactPlainObject(fields as Record<string, unknown>, 0, undefined) as Record<string, unknown>;
}

/** One line on an error and its causes. */
export function describeError(error: unknown): string {
  const texts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < depthMax && current !== undefined; depth++) {
    texts.push(current instanceof Error ? `${current.name}: ${current.message}` : safeText(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return redactText(texts.join(' ← '));
}

/** The objects we are inside of, to notice circles. */
interface Path {
  readonly object: object;
  readonly above: Path | undefined;
}

function redactValue(value: unknown, depth: number, path: Path | undefined): unknown {
  if (--valuesLeft < 0) return '[too large]';
  switch (typeof value) {
    case 'string':
      return redactText(value.length > textCharsMax ? cut(value) : value);
    case 'number':
      return redactNumber(value);
    case 'bigint':
      return redactText(String(value));
    case 'object':
      return value === null ? null : redactObject(value, depth, path);
    case 'function':
      return '[function]';
    case 'symbol':
      return redactText(String(value));
    default:
      return value;
  }
}

/** Cutting could split a secret from the name that gives it away, so both ends are looked at before. */
function cut(text: string): string {
  return `${redactText(text.slice(0, textCharsMax)).slice(0, textCharsMax - 64)}… (${text.length} characters)`;
}

/** Smallest number with the digits of a card number; times and amounts are below or begin with 1. */
const cardNumberMin = 2e12;

function redactNumber(value: number): unknown {
  if (value > -cardNumberMin && value < cardNumberMin) return value;
  const text = String(Math.abs(value));
  const clean = redactText(text);
  return clean === text ? value : clean;
}

function redactObject(object: object, depth: number, path: Path | undefined): unknown {
  for (let above = path; above; above = above.above) if (above.object === object) return '[circular]';
  if (depth >= depthMax) return '[too deep]';
  const inside: Path = { object, above: path };
  if (Array.isArray(object)) return redactArray(object, depth, inside);
  const prototype = Object.getPrototypeOf(object);
  if (
    (prototype === Object.prototype || prototype === null) &&
    typeof (object as { toJSON?: unknown }).toJSON !== 'function'
  ) {
    return redactPlainObject(object as Record<string, unknown>, depth, inside);
  }
  return redactValue(plainForm(object), depth + 1, inside);
}

/** What an object of a class amounts to, as plain data. */
function plainForm(object: object): unknown {
  if (object instanceof Error) return plainError(object);
  if (object instanceof Date) return Number.isNaN(object.getTime()) ? 'Invalid Date' : object.toISOString();
  if (object instanceof Map)
    return Object.fromEntries([...object].slice(0, keysMax).map(([key, value]) => [safeText(key), value]));
  if (object instanceof Set) return [...object].slice(0, itemsMax + 1);
  if (ArrayBuffer.isView(object)) return `[${object.byteLength} bytes]`;
  if (object instanceof ArrayBuffer) return `[${object.byteLength} bytes]`;
  if (object instanceof String || object instanceof Number || object instanceof Boolean) return object.valueOf();
  if (object instanceof Promise || object instanceof WeakMap || object instanceof WeakSet) return '[object]';
  try {
    const { toJSON } = object as { toJSON?: unknown };
    if (typeof toJSON === 'function') return withoutToJson(toJSON.call(object));
    // Headers, URLSearchParams, FormData: names with values.
    if (Symbol.iterator in object && typeof (object as { entries?: unknown }).entries === 'function') {
      return Object.fromEntries([...(object as Iterable<readonly [string, unknown]>)].slice(0, keysMax));
    }
  } catch (error) {
    return `[unreadable: ${safeText(error)}]`;
  }
  return { ...object };
}

/** A toJSON that answers an object with toJSON would go round for ever. */
function withoutToJson(value: unknown): unknown {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && 'toJSON' in value ? { ...value, toJSON: undefined } : value;
}

/**
 * An error that says what kind it is and that its `fault` is not ours was met by code that knew it could come: where that stands
 * tells nothing, and an outage brings hundreds of them. Neither it nor what caused it has its stack written.
 */
function isForeseenError(error: Error): boolean {
  const { category, fault } = error as { readonly category?: unknown; readonly fault?: unknown };
  return typeof category === 'string' && typeof fault === 'string';
}

function plainError(error: Error, isForeseen = isForeseenError(error)): Record<string, unknown> {
  const plain: Record<string, unknown> = { type: error.name, message: error.message };
  if (error.stack && !isForeseen) plain['stack'] = error.stack;
  if (error instanceof AggregateError) plain['errors'] = error.errors;
  for (const key of Object.keys(error))
    if (key !== 'name') plain[key] = (error as unknown as Record<string, unknown>)[key];
  const { cause } = error;
  if (cause !== undefined) plain['cause'] = isForeseen && cause instanceof Error ? plainError(cause, true) : cause;
  return plain;
}

function redactPlainObject(object: Record<string, unknown>, depth: number, path: Path | undefined): unknown {
  const inside = path ?? { object, above: undefined };
  let copy: Record<string, unknown> | undefined;
  let count = 0;
  // A pair such as { name: 'authorization', value: '…' }.
  const pairName = 'value' in object ? (object['name'] ?? object['key']) : undefined;
  const isSecretPair = typeof pairName === 'string' && isSecretName(pairName);
  for (const key of Object.keys(object)) {
    if (++count > keysMax) {
      copy ??= copyReadable(object);
      delete copy[key];
      continue;
    }
    const { value, readable } = read(object, key);
    const cleanKey = key.length > 12 ? redactText(key) : key;
    const hide = (isSecretPair && key === 'value') || isSecretName(key);
    const clean = hide && isPresent(value) ? redacted : redactValue(value, depth + 1, inside);
    if (clean === value && cleanKey === key && readable) continue;
    copy ??= copyReadable(object);
    if (cleanKey !== key) delete copy[key];
    put(copy, cleanKey, clean);
  }
  return copy ?? object;
}

/** Nothing, yes and no are no secrets, and worth knowing: `token: null`. */
const isPresent = (value: unknown) => value !== undefined && value !== null && typeof value !== 'boolean';

function read(object: Record<string, unknown>, key: string): { readonly value: unknown; readonly readable: boolean } {
  try {
    return { value: object[key], readable: true };
  } catch (error) {
    return { value: `[unreadable: ${safeText(error)}]`, readable: false };
  }
}

function copyReadable(object: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(object)) {
    put(copy, key, read(object, key).value);
  }
  return copy;
}

/** Sets a property of its own, even one called `__proto__`. */
function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

function redactArray(items: readonly unknown[], depth: number, path: Path): unknown {
  let copy: unknown[] | undefined;
  const length = Math.min(items.length, itemsMax);
  for (let i = 0; i < length; i++) {
    const item = items[i];
    const before = items[i - 1];
    // Raw headers and pairs: ['cookie', 'sid=…'].
    const hide = i > 0 && typeof before === 'string' && before.length < 64 && isSecretName(before) && isPresent(item);
    const clean = hide ? redacted : redactValue(item, depth + 1, path);
    if (clean === item) continue;
    copy ??= items.slice(0, length);
    copy[i] = clean;
  }
  if (items.length > itemsMax) {
    copy ??= items.slice(0, length);
    copy.push(`… ${items.length - itemsMax} more`);
  }
  return copy ?? items;
}

function safeText(value: unknown): string {
  try {
    return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value);
  } catch {
    return '[unreadable]';
  }
}
