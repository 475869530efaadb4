import pg from 'pg';

const { INT8, NUMERIC } = pg.types.builtins;

/** Loud rather than wrong: a count or an amount that a JavaScript number can't hold is a mistake somewhere. */
function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 ${text} does not fit a number: select it as text`);
  return value;
}

const keepText = (text: string): string => text;

/** How values come back. Its own table: whoever uses `pg` beside this store keeps what they have set there. */
export const valueTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: string) {
    if (oid === INT8 && format !== 'binary') return parseInt8;
    if (oid === NUMERIC && format !== 'binary') return keepText;
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

/** An escape of JSON that PostgreSQL reads otherwise: all but those of a quotation mark and a backslash. */
const foreignEscape = /\\[^"\\]/;

/**
 * Values as the driver takes them. Arrays are written here, because ours are long and full of JSON: the engine writes an
 * array as JSON several times faster than the driver's replacements do, and but for the brackets an array of PostgreSQL
 * is written the same way. Where it is not, the array is left to the driver.
 */
export function wireValues(values: readonly unknown[]): unknown[] {
  return values.map((value) => (Array.isArray(value) ? (arrayText(value) ?? value) : value));
}

function arrayText(items: readonly unknown[]): string | undefined {
  if (!items.every(isPlain)) return undefined;
  const text = JSON.stringify(items);
  return foreignEscape.test(text) ? undefined : `{${text.slice(1, -1)}}`;
}

function isPlain(item: unknown): boolean {
  if (typeof item === 'number') return Number.isFinite(item);
  return typeof item === 'string' || typeof item === 'boolean' || item === null || item === undefined;
}
