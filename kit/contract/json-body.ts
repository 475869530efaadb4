import { contractProblems, isProblem } from './problem.ts';
import { findTwiceNamed } from './twice-named.ts';

const nestingMax = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw contractProblems['malformed-json']({ detail: 'the body is not UTF-8' });
  }
}

/** Throws for a charset other than UTF-8. */
export function checkCharset(contentType: string): void {
  const charset = /charset="?([^";\s]+)/i.exec(contentType)?.[1];
  if (charset && !/^utf-?8$/i.test(charset)) {
    throw contractProblems['unsupported-media-type']({ detail: `charset ${charset} is not supported` });
  }
}

/**
 * A body at a door that only passes it on: reading it and writing it again takes a tenth of what a hop costs. Whoever wants the
 * value has it checked then.
 */
export class UnreadJson {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  /** Its value; throws as `parseJson`. By this name, so that writing what holds it as JSON writes the value. */
  toJSON(): unknown {
    return parseJson(this.bytes);
  }
}

/** What is in a body, read or not. */
export const readValue = (body: unknown): unknown => (body instanceof UnreadJson ? body.toJSON() : body);

/** One JSON value in UTF-8, not nested too deep, no name twice; anything else is a problem that says what is wrong. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) throw contractProblems['malformed-json']({ detail: 'the body is empty' });
  const text = decode(body);
  const names = checkNesting(text);
  const value = parse(text);
  if (countNames(value) < names) throw twiceNamed(text);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text, unkeepableEscape.test(text) ? refuseUnkeepable : undefined);
  } catch (error) {
    if (isProblem(error)) throw error;
    throw contractProblems['malformed-json']({ detail: parserWords(error) });
  }
}

/**
 * Of two equal names in an object the parser keeps the last: the text has more than the value then (RFC 7493, section 2.3, forbids
 * it). Which of two quantities somebody means is not ours to choose. To count takes a microsecond for an
 * order of ten lines.
 */
function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const each of value) count += countNames(each);
  else for (const name in value) count += 1 + countNames((value as Readonly<Record<string, unknown>>)[name]);
  return count;
}

function twiceNamed(text: string): Error {
  const place = { pointer: findTwiceNamed(text) ?? '', detail: 'is there twice' };
  return contractProblems['malformed-json']({ detail: `${place.pointer} ${place.detail}`, errors: [place] });
}

/** Escapes of which text can come that no database here keeps: NUL, and surrogates, which may stand alone. */
const unkeepableEscape = /\\u(?:0000|d[89a-f])/i;

/** PostgreSQL's text knows no NUL, its jsonb no half of a surrogate pair: refused here, before it is in a batch with others. */
function refuseUnkeepable(key: string, value: unknown): unknown {
  if (!isKeepable(key) || (typeof value === 'string' && !isKeepable(value))) {
    throw contractProblems['malformed-json']({ detail: 'a text holds NUL (\\u0000) or half of a surrogate pair' });
  }
  return value;
}

const isKeepable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** What the parser says without the piece of the body that it quotes: a detail may be logged, and a body holds secrets. */
export function parserWords(error: unknown): string {
  return (error as Error).message.replace(/,? (?:\.{3})?".*"(?:\.{3})? is not valid JSON$/s, '');
}

/**
 * Counts brackets outside strings before parsing, so that a hostile body can't exhaust the stack of later code. Returns how many
 * names there are, one before each colon.
 */
function checkNesting(text: string): number {
  let depth = 0;
  let names = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i += 1;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 58) names += 1;
    else if (code === 123 || code === 91) {
      depth += 1;
      if (depth > nestingMax)
        throw contractProblems['too-deep']({ detail: `over ${nestingMax} levels at character ${i}` });
    } else if (code === 125 || code === 93) depth -= 1;
  }
  return names;
}
