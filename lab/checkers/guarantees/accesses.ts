import { groupBy } from '../group.ts';
import type { Operation } from '../history/evidence.ts';
import { placeOf } from './units.ts';

/** One answer about one version of one object: an answer about several objects is several accesses. */
export interface Access {
  readonly operation: string;
  readonly session: string;
  readonly process: string;
  readonly key: string;
  readonly isWrite: boolean;
  readonly version: number;
  /** What it said the value is; undefined: nothing. */
  readonly value: number | string | undefined;
  readonly hlc: string | undefined;
  readonly startMs: number;
  readonly endMs: number;
}

const writeKinds = new Set([
  'receive',
  'adjust',
  'write',
  'register.write',
  'register.swap',
  'stock.hold',
  'stock.release',
  'stock.receive',
]);

/**
 * Attempts of one business operation as one: it began with the first of them, and ended with the first that got an
 * answer. What was refused before its answer came is nothing by itself.
 */
export function mergeRepeats(operations: readonly Operation[]): Operation[] {
  const merged: Operation[] = [];
  const groups = groupBy(operations, ({ idempotencyKey, kind, id }) =>
    idempotencyKey === undefined ? `one ${id}` : `key ${kind} ${idempotencyKey}`,
  );
  for (const group of groups.values()) {
    const [first] = group;
    if (!first || group.length === 1) {
      merged.push(...group);
      continue;
    }
    const answered = group.filter(({ outcome }) => outcome.type === 'ok' && outcome.status !== 202);
    const best =
      answered.reduce<Operation | undefined>((a, b) => (a && a.endMs <= b.endMs ? a : b), undefined) ??
      group.find(({ outcome }) => outcome.type !== 'fail') ??
      first;
    merged.push({ ...best, startMs: group.reduce((ms, { startMs }) => Math.min(ms, startMs), first.startMs) });
  }
  return merged;
}

interface StockItem {
  readonly sku: string;
  /** Of a share: whose. */
  readonly holder?: string;
  readonly available: number;
  readonly version: number;
}

/** What the answers say about versions of objects. Answers without a version say nothing here. */
export function accessesOf(operations: readonly Operation[]): Access[] {
  const accesses: Access[] = [];
  for (const operation of mergeRepeats(operations)) {
    const { id, session, process, kind, key, startMs, endMs, outcome } = operation;
    if (outcome.type !== 'ok') continue;
    const { version, value, hlc } = outcome;
    const add = (of: string, at: number, said: number | string | undefined, isWrite: boolean) =>
      accesses.push({
        operation: id,
        session,
        process,
        key: of,
        isWrite,
        version: at,
        value: said,
        hlc,
        startMs,
        endMs,
      });
    if (kind === 'look') {
      const { items = [] } = (value ?? {}) as { items?: StockItem[] };
      for (const item of items) add(placeOf(item), item.version, item.available, false);
    } else if (kind === 'receive' || kind === 'adjust') {
      const { stock = [] } = (value ?? {}) as { stock?: StockItem[] };
      for (const item of stock) add(placeOf(item), item.version, item.available, true);
    } else if (key !== undefined && version !== undefined) {
      const { held, available } = (value ?? {}) as { held?: boolean; available?: number };
      // A hold that was refused made no version: it saw one.
      add(key, version, available, writeKinds.has(kind) && held !== false);
    }
  }
  return accesses;
}
