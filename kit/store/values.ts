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
