import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createTail, processFolders, readLines } from './read.ts';
import { createSegments, listSegments, type SegmentsOptions, sweepSegments } from './segments.ts';

const root = mkdtempSync(join(tmpdir(), 'segments-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;

function setUp(options: Partial<SegmentsOptions> = {}) {
  const world = createVirtualWorld({ seed: 1, startMs: Date.UTC(2026, 0, 1) });
  const folder = join(root, String(folders++), 'orders-1');
  const segments = createSegments({ ...world, folder, name: 'logs', ...options });
  const read = () => [...readLines(folder, 'logs', {})];
  return { world, folder, segments, read };
}

test('lines come back in order, whatever is in them and however they are gathered', async () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify({ text }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(line, { maxLength: 20 }), { maxLength: 8 }), async (batches) => {
      const { segments, read, world } = setUp({ fileSizeBytesMax: 200, sizeBytesMax: 1 << 20 });
      for (const batch of batches) {
        for (const each of batch) segments.append(each);
        await segments.flush();
        await world.advance(10);
      }
      await segments.flush();
      expect(read()).toEqual(batches.flat());
      expect(segments.dropped).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('lines gather for a moment and go to the file together; who appends never waits', async () => {
  const { segments, read, world } = setUp({ flushMs: 250 });
  segments.append('{"n":1}');
  await world.advance(200);
  segments.append('{"n":2}');
  expect(read()).toEqual([]);
  await world.advance(60);
  await segments.flush();
  expect(read()).toEqual(['{"n":1}', '{"n":2}']);
  segments.append('{"n":3}');
  segments.flushNow();
  expect(read()).toHaveLength(3);
});

test('files are ours alone, bounded together by size, and the oldest go first', async () => {
  const { segments, folder, read, world } = setUp({ fileSizeBytesMax: 1_000, sizeBytesMax: 4_000 });
  for (let n = 0; n < 200; n++) {
    segments.append(JSON.stringify({ n, pad: 'x'.repeat(80) }));
    await segments.flush();
    await world.advance(1_000);
  }
  const sizes = listSegments(folder, 'logs').map(({ path }) => statSync(path).size);
  expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(4_000 + 100);
  expect(JSON.parse(read().at(-1) as string).n).toBe(199);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(listSegments(folder, 'logs')[0]?.path as string).mode & 0o777).toBe(0o600);
});

test('what is too old goes, whoever left it, and other files stay', () => {
  const folder = join(root, 'old');
  mkdirSync(folder);
  for (const name of [
    'logs.1000000000000.ndjson',
    'logs.2000000000000.ndjson',
    'spans.1000000000000.ndjson',
    'notes.txt',
  ])
    writeFileSync(join(folder, name), '{}\n');
  utimesSync(join(folder, 'logs.1000000000000.ndjson'), 1_000, 1_000);
  sweepSegments({ folder, name: 'logs', sizeBytesMax: 1_000, ageMsMax: 60_000, nowMs: Date.now() });
  expect(readdirSync(folder).sort()).toEqual(['logs.2000000000000.ndjson', 'notes.txt', 'spans.1000000000000.ndjson']);
});

test('a memory that is full, and a folder that can not be, cost lines that are counted', async () => {
  const full = setUp({ waitingSizeMax: 10 });
  full.segments.append('12345678');
  full.segments.append('123');
  expect(full.segments.dropped).toBe(1);

  const file = join(root, 'a-file');
  writeFileSync(file, '');
  const { segments } = setUp({ folder: join(file, 'below') });
  segments.append('{}');
  await segments.flush();
  segments.append('{}');
  segments.flushNow();
  expect(segments.dropped).toBe(2);
});

test('while the folder above is not there, lines wait; nobody makes it for them', async () => {
  const below = join(root, 'data');
  const folder = join(below, 'telemetry', 'all');
  const { segments, read } = setUp({ below, folder });
  segments.append('{"n":1}');
  await segments.flush();
  segments.flushNow();
  expect(existsSync(below)).toBe(false);
  mkdirSync(below);
  await segments.flush();
  expect([...readLines(folder, 'logs', {})]).toEqual(['{"n":1}']);
  expect(read()).toEqual([]);
});

test('a search finds lines with any of the words, skips files that ended before, and a torn last line', async () => {
  const { segments, folder } = setUp();
  segments.append('{"order":"ord_1"}');
  segments.append('{"order":"ord_2"}');
  segments.append('{"order":"ord_3"}');
  await segments.flush();
  appendFileSync(listSegments(folder, 'logs')[0]?.path as string, '{"order":"ord_1');
  expect([...readLines(folder, 'logs', { anyOf: ['ord_1', 'ord_3'] })]).toEqual([
    '{"order":"ord_1"}',
    '{"order":"ord_3"}',
  ]);
  expect([...readLines(folder, 'logs', { anyOf: ['ord_9'] })]).toEqual([]);
  expect([...readLines(folder, 'logs', { sinceMs: Date.now() + 60_000 })]).toEqual([]);
  expect([...readLines(join(folder, 'nowhere'), 'logs', {})]).toEqual([]);
});

test('a tail begins at the end and tells what is added, in files that come later too', async () => {
  const { segments, folder, world } = setUp({ fileSizeBytesMax: 10 });
  const system = join(folder, '..');
  segments.append('{"n":1}');
  await segments.flush();
  const next = createTail(system, 'logs');
  expect(next()).toEqual([]);
  segments.append('{"n":2}');
  await segments.flush();
  expect(next()).toEqual(['{"n":2}']);
  await world.advance(5);
  segments.append('{"n":3}');
  await segments.flush();
  expect(listSegments(folder, 'logs').length).toBeGreaterThan(1);
  expect(next()).toEqual(['{"n":3}']);
  expect(next()).toEqual([]);
  expect(processFolders(system).map(({ process }) => process)).toEqual(['orders-1']);
});
