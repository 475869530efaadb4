import Type, { type Static, type TProperties } from 'typebox';

/** A closed object: a field that the contract does not name is an error, not something to overlook. */
export function closed<const Properties extends TProperties>(
  properties: Properties,
  options: { description?: string } = {},
) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

export const Currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code' });

/** Integer minor units (pence, cents, yen). Bounded so that sums of thousands of lines stay exact in a double. */
export const AmountMinor = Type.Integer({ minimum: -1_000_000_000_000, maximum: 1_000_000_000_000 });

export const Quantity = Type.Integer({ minimum: 1, maximum: 1_000_000 });

export const Sku = Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' });

export const Email = Type.String({ minLength: 3, maxLength: 254, pattern: '^[^\\s@]+@[^\\s@]+$' });

export const CountryCode = Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' });

export const Timestamp = Type.String({ description: 'RFC 3339, UTC', maxLength: 40 });

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

/** Query of a list: how many, and where the last page ended. */
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Default 20' })),
  cursor: Type.Optional(Type.String({ maxLength: 500, description: '`nextCursor` of the page before' })),
};

/** One page of a list. `nextCursor` is absent on the last page. */
export function pageOf<const Item extends TProperties[string]>(item: Item) {
  return closed({ items: Type.Array(item), nextCursor: Type.Optional(Type.String()) });
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

function isPart(part: unknown): part is string | number | null {
  if (typeof part === 'string') return part.isWellFormed() && !part.includes('\0');
  return part === null || typeof part === 'number';
}
