import type { Random } from '#kit/runtime';
import type { Element, MicroOperation, Transaction } from './transaction.ts';
import { createAppendWorkload } from './workload.ts';

/** Stores of lists that keep, or do not keep, their promises: what the tests of the checker record histories from. */

type Lists = Map<string, readonly Element[]>;

function perform(lists: Lists, [kind, key, element]: MicroOperation): MicroOperation {
  const list = lists.get(key) ?? [];
  if (kind === 'read') return ['read', key, list];
  lists.set(key, [...list, element]);
  return ['append', key, element];
}

/**
 * One transaction at a time, at some moment between its beginning and its end. Some abort; of some nobody learns whether
 * they committed.
 */
export function serialStore(random: Random, size: { transactions: number; processes: number }): Transaction[] {
  const workload = createAppendWorkload({ random, keys: 3, appendsPerKeyMax: 8 });
  const lists: Lists = new Map();
  const idleSince = new Array<number>(size.processes).fill(0);
  const plans = Array.from({ length: size.transactions }, (_, at) => {
    const process = Math.floor(random.next() * size.processes);
    const startAt = (idleSince[process] ?? 0) + random.next();
    const endAt = startAt + 5 * random.next();
    idleSince[process] = endAt;
    return {
      id: String(at),
      process: `p${process}`,
      startAt,
      endAt,
      when: startAt + random.next() * (endAt - startAt),
    };
  });
  return plans
    .sort((a, b) => a.when - b.when)
    .map(({ when: _, ...plan }) => {
      const steps = workload.next();
      const luck = random.next();
      if (luck < 0.1) return { ...plan, status: 'fail', operations: steps };
      const isUnknown = luck < 0.2;
      const operations = isUnknown && random.next() < 0.5 ? steps : steps.map((step) => perform(lists, step));
      if (!isUnknown) return { ...plan, status: 'ok', operations };
      return {
        ...plan,
        status: 'info',
        endAt: Number.POSITIVE_INFINITY,
        operations: operations.filter(([kind]) => kind === 'append'),
      };
    });
}

/** Each transaction reads a snapshot; of two that append to one key at a time the second aborts. */
export function snapshotStore(random: Random, transactions: number): Transaction[] {
  const workload = createAppendWorkload({ random, keys: 3, appendsPerKeyMax: 8 });
  const versions: Lists[] = [new Map()];
  const done: Transaction[] = [];
  for (let at = 0; at < transactions; at++) {
    const age = Math.min(versions.length - 1, Math.floor(random.next() * 4));
    const base = versions.length - 1 - age;
    const mine: Lists = new Map(versions[base]);
    const operations = workload.next().map((step) => perform(mine, step));
    const touched = operations.flatMap(([kind, key]) => (kind === 'append' ? [key] : []));
    const latest = versions.at(-1) as Lists;
    const isLate = touched.some((key) => latest.get(key) !== versions[base]?.get(key));
    done.push({ id: String(at), process: `p${at}`, status: isLate ? 'fail' : 'ok', startAt: 0, endAt: 1, operations });
    if (isLate) continue;
    const next: Lists = new Map(latest);
    for (const key of touched) next.set(key, mine.get(key) ?? []);
    versions.push(next);
  }
  return done;
}

/** No isolation whatever: steps of all transactions in any order, each done at once, and a last read of every key. */
export function chaoticStore(random: Random, size: { transactions: number; keys: number }): Transaction[] {
  const workload = createAppendWorkload({ random, keys: size.keys, appendsPerKeyMax: 100, stepsMax: 3 });
  const lists: Lists = new Map();
  const plans = Array.from({ length: size.transactions }, () => ({
    left: workload.next(),
    done: [] as MicroOperation[],
  }));
  for (let open = [...plans]; open.length > 0; open = open.filter(({ left }) => left.length > 0)) {
    const plan = open[Math.floor(random.next() * open.length)];
    const step = plan?.left.shift();
    if (plan && step) plan.done.push(perform(lists, step));
  }
  const last = workload.keys.map((key) => perform(lists, ['read', key]));
  return [...plans.map(({ done }) => done), last].map((operations, at) => ({
    id: String(at),
    process: `p${at}`,
    status: 'ok',
    startAt: 0,
    endAt: 1,
    operations,
  }));
}

/** Tries every order: whether one of them, run serially, gives every answer that was given. */
export function hasSerialOrder(history: readonly Transaction[], lists: Lists = new Map()): boolean {
  if (history.length === 0) return true;
  return history.some((transaction, at) => {
    const after: Lists = new Map(lists);
    const isExplained = transaction.operations.every((operation) => {
      const again = perform(after, operation);
      return operation[0] === 'append' || JSON.stringify(again) === JSON.stringify(operation);
    });
    return isExplained && hasSerialOrder(history.toSpliced(at, 1), after);
  });
}
