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

/** What JSON would write as an escape of its own. */
const needsCare = /[^\u0020-\ud7ff\ue000-\uffff]/;

/**
 * Values as the driver takes them. Arrays are written here, because ours are long and full of JSON: as an array's element
 * a text without control characters is quoted as JSON quotes it, and the engine does that several times faster than the
 * driver's replacements. What holds anything else is left to the driver.
 */
export function wireValues(values: readonly unknown[]): unknown[] {
  return values.map((value) => (Array.isArray(value) ? (arrayText(value) ?? value) : value));
}

function arrayText(items: readonly unknown[]): string | undefined {
  let text = '{';
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (i > 0) text += ',';
    if (item === null || item === undefined) text += 'NULL';
    else if (typeof item === 'number' || typeof item === 'boolean') text += item;
    else if (typeof item === 'string' && !needsCare.test(item)) text += JSON.stringify(item);
    else return undefined;
  }
  return `${text}}`;
}
