import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sound } from '../guarantees/sound.testing.ts';
import { readHistory, splitLines, writeHistory } from './index.ts';

const header = '{"type":"history","version":1}';
const invoke = (id: string, atMs: number, process = 'p1') =>
  JSON.stringify({ type: 'invoke', id, process, kind: 'look', atMs });

test('what is written is read back', async () => {
  const { evidence, source, lines } = await readHistory(writeHistory(sound, 'by hand'));
  expect(source).toBe('by hand');
  expect(lines).toBeGreaterThan(60);
  const { operations, ...sections } = evidence;
  const { operations: wanted, ...rest } = sound;
  expect(sections).toEqual(JSON.parse(JSON.stringify(rest)));
  const originMs = 1;
  const byId = new Map(operations.map((one) => [one.id, one]));
  expect(operations).toHaveLength(wanted.length);
  for (const one of wanted) {
    expect(byId.get(one.id)).toMatchObject({ kind: one.kind, session: one.session, endMs: one.endMs - originMs });
  }
});

test('whatever operations overlap, what is written can be read', async () => {
  const drawn = fc.record({ process: fc.nat(2), startMs: fc.nat(20), tookMs: fc.nat(5), isLost: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(drawn), async (all) => {
      const operations = all.map(({ process, startMs, tookMs, isLost }, at) => ({
        id: `op${at}`,
        process: `p${process}`,
        session: 's',
        kind: 'look',
        startMs,
        endMs: isLost ? Number.POSITIVE_INFINITY : startMs + tookMs,
        outcome: isLost ? ({ type: 'info' } as const) : ({ type: 'ok', value: at } as const),
      }));
      const { evidence } = await readHistory(writeHistory({ operations }));
      expect(evidence.operations).toHaveLength(operations.length);
      expect(evidence.operations.filter(({ endMs }) => endMs === Number.POSITIVE_INFINITY)).toHaveLength(
        operations.filter(({ outcome }) => outcome.type === 'info').length,
      );
    }),
  );
});

test('an operation without an end is one that nobody heard of again; empty lines are nothing', async () => {
  const { evidence } = await readHistory([header, '', invoke('1', 0), '']);
  expect(evidence.operations).toEqual([
    expect.objectContaining({ id: '1', endMs: Number.POSITIVE_INFINITY, outcome: { type: 'info' } }),
  ]);
});

test.each<[string, string[], string]>([
  ['an empty file', [], 'The file is empty'],
  ['another file', ['{"type":"invoke"}'], 'line 1: this is no "invoke" line: it must have required properties'],
  ['no header', [invoke('1', 0)], 'line 1: the first line is {"type":"history","version":1}'],
  ['another version', ['{"type":"history","version":2}'], 'line 1: this is no "history" line: version'],
  ['broken JSON', [header, '{"type":'], 'line 2: this is not JSON'],
  ['an unknown type', [header, '{"type":"okay"}'], 'line 2: "type" is "okay": it is one of history, invoke, ok'],
  ['a misspelt field', [header, '{"type":"ok","id":"1","atMs":0,"hcl":""}'], 'line 2: this is no "ok" line'],
  ['an end without a beginning', [header, '{"type":"ok","id":"1","atMs":0}'], 'line 2: operation 1 was never invoked'],
  [
    'two ends',
    [header, invoke('1', 0), '{"type":"ok","id":"1","atMs":0}', '{"type":"ok","id":"1","atMs":0}'],
    'line 4: operation 1 has ended before',
  ],
  ['one id twice', [header, invoke('1', 0), invoke('1', 0, 'p2')], 'line 3: operation 1 was invoked before'],
  ['two things at a time', [header, invoke('1', 0), invoke('2', 0)], 'line 3: process p1 has not ended operation 1'],
  ['time that goes back', [header, invoke('1', 5), invoke('2', 4, 'p2')], 'line 3: atMs 4 is before 5'],
  ['an unknown section', [header, '{"type":"section","of":"order","rows":1}'], 'line 2: there is no section "order"'],
  ['a row without its section', [header, '{"type":"row","of":"orders","row":{}}'], 'line 2: a row of orders before'],
  [
    'a row that does not fit',
    [header, '{"type":"section","of":"views","rows":1}', '{"type":"row","of":"views","row":{"orderId":"o"}}'],
    'line 3: this is no row of views: it must have required properties state',
  ],
  ['a file cut short', [header, '{"type":"section","of":"views","rows":1}'], 'line 2: section views announces 1 rows'],
])('%s is refused with its line', async (_title, lines, message) => {
  await expect(readHistory(lines)).rejects.toThrow(message);
});

test('lines are found wherever the text was cut', async () => {
  const collect = async (pieces: string[]) => {
    const lines: string[] = [];
    for await (const line of splitLines(pieces)) lines.push(line);
    return lines;
  };
  expect(await collect(['a', 'b\nc', '', 'd\n', '\ne'])).toEqual(['ab', 'cd', '', 'e']);
  expect(await collect(['a\n'])).toEqual(['a']);
  await expect(collect(['a\n', 'x'.repeat(17 * 1024 * 1024)])).rejects.toThrow('line 2: longer than 16777216');
});
