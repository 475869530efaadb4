import type { StockAnswer, StockLine, StockTaken } from '#contracts/inventory';
import { contractProblems } from '#kit/contract';
import { type Claim, type ClaimState, claimKeys, completeKeys } from '#kit/idempotency';
import type { Transaction } from '#kit/runtime';
import { allWritten, type Verdict } from '#kit/store';
import { type Publish, publishCrossings } from './events.ts';
import {
  adjustStock,
  answersOf,
  type Book,
  type CountedLine,
  commitHold,
  crossingsOf,
  expireHold,
  type HoldRecord,
  holdStock,
  newBook,
  receiveStock,
  releaseHold,
  restockReturn,
  type StockChange,
  takeStock,
  withStock,
} from './model.ts';
import { applyRecalled, type StockRecall } from './recall.ts';
import {
  addChanges,
  addReturns,
  type ChangeRow,
  knownChanges,
  knownReturns,
  type LockedHolds,
  lockHolds,
  lockStock,
  type Remarks,
  type ReturnRow,
  returnedUnits,
  writeBook,
} from './store.ts';

/** A saga needs seconds; a till or a slow bank a few minutes. After that the units go back on sale. */
export const holdExpiryMsDefault = 15 * 60_000;

export type Command =
  | {
      readonly kind: 'hold';
      readonly orderId: string;
      readonly lines: readonly StockLine[];
      readonly expiresInMs: number;
    }
  | { readonly kind: 'commit' | 'release' | 'expire'; readonly orderId: string }
  | {
      readonly kind: 'restock';
      readonly returnId: string;
      readonly orderId: string;
      readonly lines: readonly StockLine[];
      readonly sellable: boolean;
    }
  | (Claim & Remarks & { readonly kind: 'receive'; readonly lines: readonly StockLine[] })
  | (Claim & Remarks & { readonly kind: 'adjust'; readonly changes: readonly StockChange[] })
  | (Claim & Remarks & { readonly kind: 'take-stock'; readonly lines: readonly CountedLine[] });

export interface CommandResult {
  readonly hold?: HoldRecord;
  readonly stock: readonly StockAnswer[];
  /** Of a stock-take. */
  readonly lines?: StockTaken['lines'];
  /** The stored answer, when the key had been used before. */
  readonly replayed?: unknown;
}

type KeyedCommand = Extract<Command, Claim>;

export interface ApplyContext {
  readonly holder: string;
  readonly publish: Publish | undefined;
  /** Without it, every batch reads and locks what it is decided on. */
  readonly recall?: StockRecall;
}

/** Applies a batch in one transaction: on recalled rows where that may be, and otherwise on rows that it locks. */
export async function applyCommands(
  tx: Transaction,
  { recall, ...context }: ApplyContext,
  commands: readonly Command[],
): Promise<Verdict<CommandResult>[]> {
  const rows = recall?.take(commands);
  const done = recall && rows && (await applyRecalled(tx, { ...context, recall }, commands, rows));
  return done ?? applyLocked(tx, { ...context, recall }, commands);
}

/**
 * Lock what the batch touches, decide in memory one command after the other, write the sum.
 * A hot SKU so becomes one row update a batch instead of a queue of row locks.
 */
async function applyLocked(
  tx: Transaction,
  { holder, publish, recall }: Omit<ApplyContext, 'recall'> & { readonly recall: StockRecall | undefined },
  commands: readonly Command[],
): Promise<Verdict<CommandResult>[]> {
  const keyed = commands.filter((command): command is KeyedCommand => 'key' in command);
  const orderIds = [...new Set(commands.flatMap((command) => ('orderId' in command ? [command.orderId] : [])))].sort();
  const restocks = commands.filter((command) => command.kind === 'restock');
  const [claims, locked, seenReturns, stock] = await Promise.all([
    claimKeys(tx, keyed),
    lockHolds(tx, orderIds),
    knownReturns(
      tx,
      restocks.map((command) => command.returnId),
    ),
    lockStock(tx, holder, { skus: skusOf(commands), orderIds, create: skusToCreate(commands) }),
  ]);
  const claimOf = new Map(keyed.map((command, i) => [command, claims[i] as ClaimState]));
  // What came back before matters only to releases of sold orders and to returns; both are rare.
  const [returned, seenChanges] = await Promise.all([
    returnedUnits(tx, ordersToCheckForReturns(commands, locked)),
    knownChanges(
      tx,
      keyed.filter((command) => claimOf.get(command)?.state === 'claimed').map((command) => command.key),
    ),
  ]);

  const soldOut = new Set(stock.filter((row) => row.onHand === 0).map((row) => row.sku));
  const book = newBook(stock, locked.holds);
  const newReturns: ReturnRow[] = [];
  const newChanges: ChangeRow[] = [];
  const completions: { scope: string; key: string; result: unknown }[] = [];

  const verdicts = commands.map((command): Verdict<CommandResult> => {
    try {
      return { ok: decide(command) };
    } catch (error) {
      return { error };
    }
  });

  function decide(command: Command): CommandResult {
    switch (command.kind) {
      case 'hold':
        return withStock(book, holdStock(book, command.orderId, command.lines), command.lines);
      case 'commit':
        return withStock(book, commitHold(book, command.orderId));
      case 'release':
        return withStock(book, releaseHold(book, command.orderId, returned.get(command.orderId) ?? new Map()));
      case 'expire': {
        const hold = locked.due.has(command.orderId)
          ? expireHold(book, command.orderId)
          : book.holds.get(command.orderId);
        return { ...(hold ? { hold } : {}), stock: [] };
      }
      case 'restock':
        return restock(command);
      case 'receive':
      case 'adjust':
      case 'take-stock':
        return change(command);
    }
  }

  function restock(command: Extract<Command, { kind: 'restock' }>): CommandResult {
    const answer = () => ({
      stock: answersOf(
        book,
        command.lines.map((line) => line.sku),
      ),
    });
    if (seenReturns.has(command.returnId)) return answer();
    const before = returned.get(command.orderId) ?? new Map<string, number>();
    restockReturn(book, command.orderId, command.returnId, command.lines, command.sellable, before);
    seenReturns.add(command.returnId);
    for (const { sku, quantity } of command.lines) before.set(sku, (before.get(sku) ?? 0) + quantity);
    returned.set(command.orderId, before);
    newReturns.push(command);
    return answer();
  }

  function change(command: KeyedCommand): CommandResult {
    const claim = claimOf.get(command);
    if (claim?.state === 'mismatch') throw contractProblems['idempotency-key-reused']();
    // Its twin of this very batch has done it already.
    const twin = completions.find(({ scope, key }) => scope === command.scope && key === command.key);
    if (claim?.state === 'in-flight' && twin) return { stock: [], replayed: twin.result };
    if (claim?.state === 'in-flight') throw contractProblems['idempotency-key-in-flight']();
    if (claim?.state === 'done') return { stock: [], replayed: claim.result };
    const known = seenChanges.get(command.key);
    if (known && known.fingerprint !== null && known.fingerprint !== command.fingerprint) {
      throw contractProblems['idempotency-key-reused']();
    }
    const taken = known ? undefined : decideChange(book, command);
    if (!known) newChanges.push(command);
    const lines = command.kind === 'adjust' ? command.changes : command.lines;
    const stockAnswers = answersOf(
      book,
      lines.map((line) => line.sku),
    );
    const changed = { stock: stockAnswers, ...(taken ? { lines: taken } : {}) };
    completions.push({
      scope: command.scope,
      key: command.key,
      result: { reference: command.key, ...changed },
    });
    return changed;
  }

  // A keyed command that was refused must leave no claim behind, so that its key may be used again once the cause is
  // gone: the batch fails, and the writer narrows it down until the culprit stands alone.
  const refused = verdicts.find(
    (verdict, i) => 'error' in verdict && claimOf.get(commands[i] as KeyedCommand)?.state === 'claimed',
  );
  if (refused && 'error' in refused) throw refused.error;

  const before = new Set(locked.holds.map((hold) => hold.orderId));
  const expiry = new Map(
    commands.flatMap((command) => (command.kind === 'hold' ? [[command.orderId, command.expiresInMs] as const] : [])),
  );
  const touched = new Set(book.movements.map((movement) => movement.sku));
  const changedHolds = [...book.changedHolds.values()];
  const writes = [
    writeBook(tx, holder, {
      stock: stock.filter((row) => touched.has(row.sku)),
      movements: book.movements,
      newHolds: changedHolds
        .filter((hold) => !before.has(hold.orderId))
        .map((hold) => ({ ...hold, expiresInMs: expiry.get(hold.orderId) ?? holdExpiryMsDefault })),
      changedHolds: changedHolds.filter((hold) => before.has(hold.orderId)),
    }),
    addReturns(tx, newReturns),
    addChanges(tx, newChanges),
    completeKeys(tx, completions),
    publishCrossings(tx, publish, holder, crossingsOf(stock, soldOut)),
  ];
  tx.seal();
  await allWritten(writes);
  recall?.propose({ stock, holds: [...book.holds.values()] });
  return verdicts;
}

function decideChange(book: Book, command: KeyedCommand): StockTaken['lines'] {
  if (command.kind === 'take-stock') return takeStock(book, command.lines, command.key);
  if (command.kind === 'receive') receiveStock(book, command.lines, command.key);
  else adjustStock(book, command.changes, command.key);
  return undefined;
}

function skusOf(commands: readonly Command[]): string[] {
  const skus = new Set<string>();
  for (const command of commands) {
    if (command.kind === 'adjust') for (const { sku } of command.changes) skus.add(sku);
    else if ('lines' in command) for (const { sku } of command.lines) skus.add(sku);
  }
  return [...skus];
}

function skusToCreate(commands: readonly Command[]): string[] {
  const skus = new Set<string>();
  for (const command of commands) {
    if (command.kind === 'receive' || command.kind === 'take-stock') for (const { sku } of command.lines) skus.add(sku);
    if (command.kind === 'adjust') for (const { sku } of command.changes) skus.add(sku);
  }
  return [...skus];
}

function ordersToCheckForReturns(commands: readonly Command[], locked: LockedHolds): string[] {
  const sold = new Set(locked.holds.filter((hold) => hold.status === 'sold').map((hold) => hold.orderId));
  const orders = commands.flatMap((command) =>
    command.kind === 'restock' || (command.kind === 'release' && sold.has(command.orderId)) ? [command.orderId] : [],
  );
  return [...new Set(orders)];
}
