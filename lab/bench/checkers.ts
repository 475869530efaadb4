import { seededRandom } from '#kit/runtime';
import { exitCodes, Failure } from '../../cli/failure.ts';
import {
  checkLinearizable,
  checkTransactions,
  checkVersions,
  type StockInput,
  type StockOutput,
  stock,
} from '../checkers/index.ts';
import { stockHistory, transactionHistory } from './checkers/histories.ts';
import type { BenchOptions } from './options.ts';
import { barOf, median, openReport, type Report, type Run, rounded } from './report.ts';

const clients = 32;
const unknown = 0.02;

interface Task {
  readonly name: string;
  readonly operations: number;
  readonly limitMs: number | undefined;
  /** Draws a history, and returns what checks it: only that is measured. It returns how many violations it found. */
  prepare(seed: number): () => number;
}

const tasks: readonly Task[] = [
  {
    name: 'search, 100,000 operations over 200 keys',
    operations: 100_000,
    limitMs: 2_000,
    prepare(seed) {
      const { calls } = stockHistory(seededRandom(seed), { operations: 100_000, keys: 200, clients, unknown });
      return () => {
        const report = checkLinearizable<number, StockInput, StockOutput>(calls, stock);
        return report.failed.length + report.undecided.length;
      };
    },
  },
  {
    name: 'versions, 1,000,000 operations on one key',
    operations: 1_000_000,
    limitMs: 10_000,
    prepare(seed) {
      const { answers } = stockHistory(seededRandom(seed), { operations: 1_000_000, keys: 1, clients, unknown });
      return () => [...checkVersions(answers)].length;
    },
  },
  {
    name: 'transactions, 50,000 over lists, strict',
    operations: 50_000,
    limitMs: undefined,
    prepare(seed) {
      const history = transactionHistory(seededRandom(seed), { transactions: 50_000, clients });
      return () => checkTransactions(history, { level: 'strict-serializable' }).violations.length;
    },
  },
];

/** How long the checkers take on long histories that are in order: the bars of the proving ground. */
export async function benchCheckers(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const finish = openReport('checkers');
  const tookMs: Record<string, readonly number[]> = {};
  for (const { name, prepare } of tasks) {
    const rounds: number[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      const check = prepare(round);
      const startMs = performance.now();
      const found = check();
      rounds.push(performance.now() - startMs);
      if (found > 0) throw new Failure(exitCodes.internal, `${name}: ${found} violations in a history without any.`);
      onProgress(`${name}: ${Math.round(rounds.at(-1) ?? 0)} ms`);
    }
    tookMs[name] = rounds.map((ms) => rounded(ms, 1));
  }
  const runs = tasks.map(({ name, operations }): Run => {
    const ms = median(tookMs[name] ?? []);
    return {
      name,
      clients,
      perSec: Math.round((operations * 1_000) / ms),
      p50Ms: ms,
      p99Ms: Math.max(...(tookMs[name] ?? [])),
    };
  });
  const bars = tasks.flatMap(({ name, limitMs }) =>
    limitMs === undefined
      ? []
      : [barOf({ name, value: median(tookMs[name] ?? []), limit: limitMs, unit: 'ms', rule: 'below' })],
  );
  return finish({ bars, ratios: {}, runs, details: { tookMs } });
}
