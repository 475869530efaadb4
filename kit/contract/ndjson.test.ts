import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linesOf, toEvents, toLines } from './ndjson.ts';
import { isProblem } from './problem.ts';

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** The bytes in pieces of `size`. */
function inPieces(bytes: Buffer, size: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return Readable.from(pieces, { objectMode: false });
}

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

test('values come out as they went in, wherever the network cuts the bytes', async () => {
  // JSON has no minus zero.
  const values = fc.array(fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value))));
  await fc.assert(
    fc.asyncProperty(values, fc.integer({ min: 1, max: 9 }), async (sent, size) => {
      const text = (await collect(toLines(each(sent)))).join('');
      expect(await collect(linesOf(inPieces(Buffer.from(text), size)))).toEqual(sent);
    }),
  );
});

test('each line is one value: blank ones are undefined, bad ones the problem with them, also one hop later', async () => {
  const bytes = Buffer.concat([
    Buffer.from('{"a":1}\r\n\n{"a":\n"'),
    Buffer.from([0xe9]),
    Buffer.from(`"\n${'['.repeat(40)}\n"${'x'.repeat(1024 * 1024)}"\n  \n2`),
  ]);
  const kinds = (values: readonly unknown[]) => values.map((value) => (isProblem(value) ? value.message : value));
  const first = await collect(linesOf(inPieces(bytes, 1000)));
  expect(first.map((value) => (isProblem(value) ? value.code : value))).toEqual([
    { a: 1 },
    undefined,
    'contract/malformed-json',
    'contract/malformed-json',
    'contract/too-deep',
    'contract/body-too-large',
    undefined,
    2,
  ]);
  const text = (await collect(toLines(each(first)))).join('');
  expect(kinds(await collect(linesOf(inPieces(Buffer.from(text), 7))))).toEqual(kinds(first));
});

test('as server-sent events a value is one event on one line, and a blank one a comment', async () => {
  const events = await collect(toEvents(each([{ text: 'two\nlines' }, undefined])));
  expect(events).toEqual(['data: {"text":"two\\nlines"}\n\n', ':\n\n']);
});
