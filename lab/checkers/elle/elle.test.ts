import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '#kit/runtime';
import { componentsOf } from './components.ts';
import { buildGraph } from './graph.ts';
import { type AnomalyName, checkTransactions, createAppendWorkload, describeAnomaly } from './index.ts';
import { observe } from './observe.ts';
import { chaoticStore, hasSerialOrder, serialStore, snapshotStore } from './stores.testing.ts';
import type { MicroOperation, Transaction } from './transaction.ts';

/** Transactions one after another in time, each of a process of its own, all committed, unless said otherwise. */
function history(...transactions: (Partial<Transaction> & { operations: readonly MicroOperation[] })[]): Transaction[] {
  return transactions.map((one, at) => ({
    id: String(at + 1),
    process: `p${at + 1}`,
    status: 'ok',
    startAt: 0,
    endAt: 1,
    ...one,
  }));
}
const did = (...operations: MicroOperation[]) => ({ operations });
const names = (transactions: Transaction[], level: Parameters<typeof checkTransactions>[1] = {}) => [
  ...new Set(checkTransactions(transactions, level).anomalies.map(({ name }) => name)),
];

const planted: Record<string, { name: AnomalyName; of: Transaction[] }> = {
  'two transactions that overwrite one another': {
    name: 'G0',
    of: history(
      did(['append', 'x', 1], ['append', 'y', 1]),
      did(['append', 'x', 2], ['append', 'y', 2]),
      did(['read', 'x', [1, 2]], ['read', 'y', [2, 1]]),
    ),
  },
  'a read of what was rolled back': {
    name: 'G1a',
    of: history({ ...did(['append', 'x', 1]), status: 'fail' }, did(['read', 'x', [1]])),
  },
  'a read of a state that its writer went on to change': {
    name: 'G1b',
    of: history(did(['append', 'x', 1], ['append', 'x', 2]), did(['read', 'x', [1]])),
  },
  'two transactions that each read what the other wrote': {
    name: 'G1c',
    of: history(did(['append', 'x', 1], ['read', 'y', [1]]), did(['append', 'y', 1], ['read', 'x', [1]])),
  },
  'a read of half a transaction': {
    name: 'G-single',
    of: history(did(['append', 'x', 1], ['append', 'y', 1]), did(['read', 'x', [1]], ['read', 'y', []])),
  },
  'an update that is lost': {
    name: 'G-single',
    of: history(
      did(['read', 'x', []], ['append', 'x', 1]),
      did(['read', 'x', []], ['append', 'x', 2]),
      did(['read', 'x', [1, 2]]),
    ),
  },
  'two readers that see two writers in different order': {
    name: 'G-nonadjacent',
    of: history(
      did(['append', 'x', 1]),
      did(['append', 'y', 1]),
      did(['read', 'x', [1]], ['read', 'y', []]),
      did(['read', 'x', []], ['read', 'y', [1]]),
    ),
  },
  'write skew': {
    name: 'G2-item',
    of: history(
      did(['read', 'x', []], ['append', 'y', 1]),
      did(['read', 'y', []], ['append', 'x', 1]),
      did(['read', 'x', [1]], ['read', 'y', [1]]),
    ),
  },
  'write skew that no read saw afterwards': {
    name: 'G2-item',
    of: history(did(['read', 'x', []], ['append', 'y', 1]), did(['read', 'y', []], ['append', 'x', 1])),
  },
  'a transaction that misses its own append': {
    name: 'internal',
    of: history(did(['append', 'x', 1], ['read', 'x', []])),
  },
  'a transaction that sees an append before it makes it': {
    name: 'internal',
    of: history(did(['read', 'x', [1]], ['append', 'x', 1])),
  },
  'lists of which neither begins the other': {
    name: 'incompatible-order',
    of: history(did(['append', 'x', 1]), did(['append', 'x', 2]), did(['read', 'x', [1, 2]]), did(['read', 'x', [2]])),
  },
  'an append applied twice': {
    name: 'duplicate-element',
    of: history(did(['append', 'x', 1]), did(['read', 'x', [1, 1]])),
  },
  'a value from nowhere': { name: 'unknown-element', of: history(did(['read', 'x', [7]])) },
};

test.each(Object.entries(planted))('%s is found and told', (_title, { name, of }) => {
  const report = checkTransactions(of);
  const found = report.violations.find((anomaly) => anomaly.name === name);
  expect(names(of)).toContain(name);
  expect(found && describeAnomaly(found)).toMatch(new RegExp(`^${name}:\\n  T\\d+ `));
  expect(report.ok).toBe(false);
});

test('an anomaly is named as weakly as it is', () => {
  expect(names(planted['write skew']?.of ?? [])).toEqual(['G2-item']);
  expect(names(planted['a read of half a transaction']?.of ?? [])).toEqual(['G-single']);
  expect(names(planted['two readers that see two writers in different order']?.of ?? [])).toEqual(['G-nonadjacent']);
});

test('a cycle is told with the evidence of each step', () => {
  const [anomaly] = checkTransactions(planted['write skew']?.of ?? []).anomalies;
  expect(anomaly && describeAnomaly(anomaly)).toBe(
    [
      'G2-item:',
      '  T2 = read y [], append x 1',
      '  T1 = read x [], append y 1',
      '  T2 -rw-> T1: T2 read y without 1, which T1 appended',
      '  T1 -rw-> T2: T1 read x without 1, which T2 appended',
    ].join('\n'),
  );
});

test('a level allows what it does not rule out', () => {
  const skew = planted['write skew']?.of ?? [];
  expect(checkTransactions(skew, { level: 'snapshot-isolation' })).toMatchObject({ ok: true, violations: [] });
  expect(checkTransactions(skew, { level: 'snapshot-isolation' }).anomalies).toHaveLength(1);
  const lost = planted['an update that is lost']?.of ?? [];
  expect(checkTransactions(lost, { level: 'read-committed' }).ok).toBe(true);
  expect(checkTransactions(lost, { level: 'snapshot-isolation' }).ok).toBe(false);
  const dirty = planted['a read of what was rolled back']?.of ?? [];
  expect(checkTransactions(dirty, { level: 'read-uncommitted' }).ok).toBe(true);
  expect(checkTransactions(dirty, { level: 'read-committed' }).ok).toBe(false);
});

test('a stale read breaks real time, or the order in its process, and nothing weaker', () => {
  const stale = (process: string) =>
    history(
      { ...did(['append', 'x', 1]), process: 'p1', startAt: 0, endAt: 1 },
      { ...did(['read', 'x', []]), process, startAt: 2, endAt: 3 },
    );
  expect(names(stale('p2'))).toEqual([]);
  expect(names(stale('p2'), { level: 'strong-session-serializable' })).toEqual([]);
  expect(names(stale('p2'), { level: 'strict-serializable' })).toEqual(['G-single-realtime']);
  expect(names(stale('p1'), { level: 'strong-session-serializable' })).toEqual(['G-single-process']);
});

test('what nobody knows the end of counts as committed once it was read, and as nothing before', () => {
  const unknown = { ...did(['append', 'x', 1], ['append', 'y', 1]), status: 'info' as const, endAt: Infinity };
  expect(names(history(unknown, did(['read', 'x', []], ['read', 'y', []])))).toEqual([]);
  expect(names(history(unknown, did(['read', 'x', [1]], ['read', 'y', []])))).toEqual([]);
  expect(names(history(unknown, did(['read', 'x', [1]]), did(['read', 'y', [1]])))).toEqual([]);
  expect(
    names(
      history(unknown, did(['read', 'x', [1]]), did(['read', 'x', [1]], ['read', 'y', []]), did(['read', 'y', [1]])),
    ),
  ).toEqual(['G-single']);
});

test('a value that is appended twice is refused: no read could tell who wrote it', () => {
  expect(() => checkTransactions(history(did(['append', 'x', 1]), did(['append', 'x', 1])))).toThrow(
    'T1 and T2 both append 1 to x',
  );
});

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

test('a serial history never has an anomaly, at any level', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 8 }), (seed, processes) => {
      const report = checkTransactions(serialStore(seededRandom(seed), { transactions: 60, processes }), {
        level: 'strict-serializable',
      });
      expect(report.anomalies.map(describeAnomaly)).toEqual([]);
      expect(report.edges).toBeGreaterThan(0);
    }),
    { numRuns: 400 },
  );
});

test('snapshot isolation shows write skew and nothing worse', () => {
  let skews = 0;
  fc.assert(
    fc.property(seeds, (seed) => {
      const found = checkTransactions(snapshotStore(seededRandom(seed), 40), { level: 'snapshot-isolation' });
      expect(found.violations.map(describeAnomaly)).toEqual([]);
      skews += found.anomalies.length;
    }),
    { numRuns: 300 },
  );
  expect(skews).toBeGreaterThan(0);
});

test('on small histories that were read to the end, it agrees with trying every serial order', () => {
  const verdicts = { serializable: 0, not: 0 };
  fc.assert(
    fc.property(seeds, (seed) => {
      const run = chaoticStore(seededRandom(seed), { transactions: 5, keys: 2 });
      const isSerializable = hasSerialOrder(run);
      verdicts[isSerializable ? 'serializable' : 'not'] += 1;
      expect(checkTransactions(run).ok).toBe(isSerializable);
    }),
    { numRuns: 3_000 },
  );
  expect(Math.min(verdicts.serializable, verdicts.not)).toBeGreaterThan(300);
});

test('real-time edges are as few as keep the order', () => {
  const chain = Array.from({ length: 1_000 }, (_, at) => ({
    ...did(['read', 'x', []]),
    startAt: 2 * at,
    endAt: 2 * at + 1,
  }));
  const graph = buildGraph(observe(history(...chain)), { process: false, realtime: true });
  expect(graph.edgeCount).toBe(999);
  expect(componentsOf(graph, 31)).toEqual([]);
});

test('a workload is the same for the same seed, and appends each value once', () => {
  const draw = () => {
    const workload = createAppendWorkload({ random: seededRandom(1), keys: 2, appendsPerKeyMax: 4 });
    return Array.from({ length: 50 }, () => workload.next());
  };
  expect(draw()).toEqual(draw());
  const appends = draw()
    .flat()
    .flatMap(([kind, key, element]) => (kind === 'append' ? [`${key} ${element}`] : []));
  expect(new Set(appends).size).toBe(appends.length);
  expect(new Set(appends.map((one) => one.split(' ')[0])).size).toBeGreaterThan(2);
});
