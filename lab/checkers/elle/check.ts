import { type Anomaly, type AnomalyName, forbiddenBy, type IsolationLevel } from './anomaly.ts';
import { type Cycle, findCycles, type Step } from './cycles.ts';
import { buildGraph, type Graph } from './graph.ts';
import { observe } from './observe.ts';
import { describeTransaction, type Transaction } from './transaction.ts';

export interface ElleOptions {
  /** The level that was promised. Default `serializable`. */
  readonly level?: IsolationLevel;
}

export interface ElleReport {
  /** Whether nothing was found that the level rules out. */
  readonly ok: boolean;
  readonly level: IsolationLevel;
  /** All that was found, also what the level allows. */
  readonly anomalies: readonly Anomaly[];
  /** Those that the level rules out. */
  readonly violations: readonly Anomaly[];
  /** How much was looked at: a history without reads shows nothing. */
  readonly transactions: number;
  readonly edges: number;
}

/** Of one kind so many are kept: one bug is mostly seen many times. */
const anomaliesPerNameMax = 10;

/**
 * Finds isolation anomalies in a history of transactions that append to lists and read them. As a list shows its whole
 * past, reads give the order of versions, versions give the dependencies of Adya's "Weak consistency" (MIT 1999), and a
 * cycle of dependencies is an anomaly that no serial order explains: Kingsbury and Alvaro, "Elle", VLDB 2020. Nothing is
 * found that is not there; what no read could show is not found.
 *
 * @throws if a value is appended to a key twice.
 */
export function checkTransactions(history: readonly Transaction[], options: ElleOptions = {}): ElleReport {
  const { level = 'serializable' } = options;
  const forbidden: readonly AnomalyName[] = forbiddenBy[level];
  const observations = observe(history);
  const graph = buildGraph(observations, {
    process: forbidden.includes('G0-process'),
    realtime: forbidden.includes('G0-realtime'),
  });
  const cycles = findCycles(graph).map((cycle) => anomalyOf(graph, cycle));
  const anomalies = firstOfEach([...observations.anomalies, ...cycles]);
  const violations = anomalies.filter(({ name }) => forbidden.includes(name));
  return {
    ok: violations.length === 0,
    level,
    anomalies,
    violations,
    transactions: graph.transactions.length,
    edges: graph.edgeCount,
  };
}

function firstOfEach(anomalies: readonly Anomaly[]): Anomaly[] {
  const counts = new Map<AnomalyName, number>();
  return anomalies.filter(({ name }) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count <= anomaliesPerNameMax;
  });
}

function anomalyOf(graph: Graph, { name, steps }: Cycle): Anomaly {
  const transactions = steps.map(({ from }) => graph.transactions[from] as Transaction);
  return {
    name,
    transactions,
    explanation: [...transactions.map(describeTransaction), ...steps.map((step) => explainStep(graph, step))],
  };
}

function explainStep(graph: Graph, { from, to, kind }: Step): string {
  const [before, after] = [graph.transactions[from] as Transaction, graph.transactions[to] as Transaction];
  const evidence = graph.edges[from]?.get(to)?.evidence[kind];
  const { key = '', element = '' } = evidence ?? {};
  const [a, b] = [`T${before.id}`, `T${after.id}`];
  const why = {
    ww: `${b} appended ${element} to ${key} right after ${a}`,
    wr: `${b} read ${element} of ${key}, which ${a} appended`,
    rw: `${a} read ${key} without ${element}, which ${b} appended`,
    process: `process ${before.process} ran ${a} first`,
    realtime: `${a} had ended at ${before.endAt}, ${b} began at ${after.startAt}`,
  }[kind];
  return `${a} -${kind}-> ${b}: ${why}`;
}

/** Some lines for people: what was found, and why it can't be. */
export function describeAnomaly({ name, explanation }: Anomaly): string {
  return [`${name}:`, ...explanation.map((line) => `  ${line}`)].join('\n');
}
