import Type, { type Static, type TProperties } from 'typebox';
import { invalidInput } from '#kit/contract';

/** A closed object: a field that the contract does not name is an error, not something to overlook. */
export function closed<const Properties extends TProperties>(
  properties: Properties,
  options: { description?: string } = {},
) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

export const Currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code' });

/** Integer minor units (pence, cents, yen). Bounded so that sums of thousands of lines stay exact in a double. */
export const amountMinorMax = 1_000_000_000_000;
export const AmountMinor = Type.Integer({ minimum: -amountMinorMax, maximum: amountMinorMax });

export const quantityMax = 1_000_000;
export const Quantity = Type.Integer({ minimum: 1, maximum: quantityMax });

export const Sku = Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' });

/** No spaces, and nothing that is not seen or turns what is shown around: `C` are control characters, marks of direction and their like. */
export const Email = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: '^[^\\s@\\p{C}]+@[^\\s@\\p{C}]+$',
  description: 'An e-mail address: ada@example.com',
});

export const CountryCode = Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' });

export const Timestamp = Type.String({ description: 'RFC 3339, UTC', maxLength: 40 });

const instantMsMin = Date.parse('0001-01-01T00:00:00Z');
const instantMsMax = Date.parse('9999-12-31T23:59:59.999Z');
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/**
 * The milliseconds since 1970 of an RFC 3339 time (RFC 3339, section 5.6; to the millisecond), undefined of any other text.
 * `Date.parse` alone takes far more: times without a zone, which every machine reads otherwise, a 30th of February, which it
 * makes the 2nd of March, and years that PostgreSQL does not keep.
 */
export function instantOf(text: string): number | undefined {
  const [, year, month, day] = rfc3339.exec(text) ?? [];
  const ms = Date.parse(text);
  if (year === undefined || Number.isNaN(ms)) return undefined;
  const daysOfMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  // By UTC: its zone may make it another year, and of one before 1 or after 9999 the text that we tell is none of RFC 3339.
  const isInRange = ms >= instantMsMin && ms <= instantMsMax;
  return Number(day) <= daysOfMonth && isInRange ? ms : undefined;
}

/** The same of a request, at `pointer`; anything else there is bad input. */
export function timeAt(pointer: string, text: string): number {
  const ms = instantOf(text);
  if (ms === undefined) throw invalidInput([{ pointer, detail: 'is not an RFC 3339 time' }]);
  return ms;
}

export const Address = closed({
  name: Type.String({ minLength: 1, maxLength: 200 }),
  line1: Type.String({ minLength: 1, maxLength: 200 }),
  line2: Type.Optional(Type.String({ maxLength: 200 })),
  city: Type.String({ minLength: 1, maxLength: 100 }),
  region: Type.Optional(Type.String({ maxLength: 100 })),
  postalCode: Type.Optional(Type.String({ maxLength: 20 })),
  country: CountryCode,
});
export type Address = Static<typeof Address>;

export const pageSizeDefault = 20;

/** Query of a list: how many, and where the last page ended. */
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: `Default ${pageSizeDefault}` })),
  cursor: Type.Optional(Type.String({ maxLength: 500, description: '`nextCursor` of the page before' })),
};

/** One page of a list. `nextCursor` is absent on the last page. */
export function pageOf<const Item extends TProperties[string]>(item: Item) {
  return closed({ items: Type.Array(item), nextCursor: Type.Optional(Type.String()) });
}

/**
 * A page of rows, of which one more than `limit` was asked for: that it is there says that another page follows. `keyOf`
 * gives the sort key of a row, `viewOf` what callers see of it (default: the row as it is).
 */
export function pageFrom<Row, Item = Row>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => readonly (string | number)[],
  viewOf: (row: Row) => Item = (row) => row as unknown as Item,
): { items: Item[]; nextCursor?: string } {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { items: shown.map(viewOf), ...(last === undefined ? {} : { nextCursor: encodeCursor(keyOf(last)) }) };
}

/** Cursors are opaque to callers: base64url of the JSON sort key of the last item. */
export function encodeCursor(position: readonly (string | number | null)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Undefined when the text is not a cursor of ours, also when it hides what a database can't keep. */
export function decodeCursor(cursor: string): (string | number | null)[] | undefined {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(position) && position.every(isPart) ? position : undefined;
  } catch {
    return undefined;
  }
}

type PartName = 'text' | 'number';
type Parts<Shape extends readonly PartName[]> = {
  -readonly [I in keyof Shape]: Shape[I] extends 'text' ? string : number;
};

/**
 * Where a page goes on: the sort key that its cursor holds, which is of these parts. Undefined without a cursor: from the
 * start. Throws `contract/invalid-input` for what no list of this kind has given out.
 */
export function positionOf<const Shape extends readonly PartName[]>(
  cursor: string | undefined,
  ...shape: Shape
): Parts<Shape> | undefined {
  if (cursor === undefined) return undefined;
  const position = decodeCursor(cursor) ?? [];
  const fits = shape.every((name, i) =>
    name === 'text' ? typeof position[i] === 'string' : Number.isSafeInteger(position[i]),
  );
  if (!fits || position.length !== shape.length) throw foreignCursor();
  return position as Parts<Shape>;
}

/** For a position that is none of its list. */
export const foreignCursor = () => invalidInput([{ pointer: 'query:cursor', detail: 'is not a cursor of this list' }]);

function isPart(part: unknown): part is string | number | null {
  if (typeof part === 'string') return part.isWellFormed() && !part.includes('\0');
  return part === null || typeof part === 'number';
}
