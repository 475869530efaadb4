import type { Readable } from 'node:stream';
import { parseJson } from './json-body.ts';
import { contractProblems, isProblem, type Problem, toProblem } from './problem.ts';

/** JSON lines (application/x-ndjson): how streams of values travel. */

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

/** Begins a line that some hop before has found to be malformed; the rest says why. No JSON begins like this. */
const malformedMark = '\0';

/** One line a value, for a reply or a request. What `linesOf` makes of odd lines goes through as it came. */
export async function* toLines(values: AsyncIterable<unknown>): AsyncIterable<string> {
  for await (const value of values) {
    if (value === undefined) yield '\n';
    else if (isProblem(value)) yield `${malformedMark}${value.message.replaceAll('\n', ' ')}\n`;
    else yield `${JSON.stringify(value)}\n`;
  }
}

/**
 * The same values as server-sent events (WHATWG HTML §9.2), for whoever asks with `Accept: text/event-stream`: a value is
 * an event, `undefined` a comment, which keeps a quiet connection alive.
 */
export async function* toEvents(values: AsyncIterable<unknown>): AsyncIterable<string> {
  for await (const value of values) yield value === undefined ? ':\n\n' : `data: ${JSON.stringify(value)}\n\n`;
}

/** Longest line of an NDJSON request. */
const lineSizeBytesMax = 1024 * 1024;

/**
 * The values of a request's lines, one each, so that counting them gives the number of a line: a blank line is
 * `undefined`, and one that is no JSON is the `Problem` with it, because it is for the operation to say whether a bad
 * line ends everything. Memory is bounded by the longest line.
 */
export async function* linesOf(stream: Readable | undefined): AsyncIterable<unknown> {
  if (!stream) return;
  let pieces: Buffer[] = [];
  let sizeBytes = 0;
  const add = (piece: Buffer): void => {
    sizeBytes += piece.length;
    // What is over the bound is counted and dropped.
    if (sizeBytes <= lineSizeBytesMax) pieces.push(piece);
  };
  const end = (): unknown => {
    const value = sizeBytes > lineSizeBytesMax ? tooLong(sizeBytes) : lineValueOf(Buffer.concat(pieces));
    pieces = [];
    sizeBytes = 0;
    return value;
  };
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let at = 0;
    for (let newline = chunk.indexOf(10); newline >= 0; newline = chunk.indexOf(10, at)) {
      add(chunk.subarray(at, newline));
      at = newline + 1;
      yield end();
    }
    if (at < chunk.length) add(chunk.subarray(at));
  }
  if (sizeBytes > 0) yield end();
}

function tooLong(sizeBytes: number): Problem {
  return contractProblems['body-too-large']({
    detail: `the line has ${sizeBytes} bytes, ${lineSizeBytesMax} are allowed`,
  });
}

function lineValueOf(line: Buffer): unknown {
  if (line[0] === 0) return contractProblems['malformed-json']({ detail: line.toString('utf8', 1, 300) });
  if (line.every((byte) => byte === 32 || byte === 9 || byte === 13)) return undefined;
  try {
    return parseJson(line);
  } catch (error) {
    return toProblem(error);
  }
}
