import type { Transaction } from '#kit/runtime';
import { allWritten, createRecall, isInexact, Overtaken, type Recall, type Verdict } from '#kit/store';
import type { Command, CommandResult } from './commands.ts';
import { type Publish, publishCrossings } from './events.ts';
import { commitHold, crossingsOf, type HoldRecord, holdStock, newBook, type Stock, withStock } from './model.ts';
import { writeBook } from './store.ts';

/** Stock and holds as this process committed them last. */
export interface StockRecall {
  /** Whether this command could be decided on recalled rows just now: those that can't are better off by themselves. */
  knows(command: Command): boolean;
  /** The rows a batch is decided on, as copies; undefined unless all of them are known and the commands are usual. */
  take(commands: readonly Command[]): Rows | undefined;
  /** What the batch under way makes of its rows. Kept by `committed`, and otherwise replaced by the next batch's. */
  propose(rows: Rows): void;
  committed(): void;
  /** Holds of these commands were there although unknown. */
  doubtHolds(commands: readonly Command[]): void;
  /** The rows of these commands were not as recalled. */
  doubt(commands: readonly Command[]): void;
}

export interface Rows {
  readonly stock: readonly Stock[];
  readonly holds: readonly HoldRecord[];
}

/** Where others sell the same SKUs, what is recalled is mostly wrong and costs a transaction: it is left for a while. */
const batchesWithoutDefault = 100;

/** `batchesAfterDoubt`: so many batches are not decided on recalled rows after one that could not be. */
export function createStockRecall(batchesAfterDoubt = batchesWithoutDefault): StockRecall {
  const stock: Recall<Stock> = createRecall();
  const holds: Recall<HoldRecord> = createRecall();
  let proposed: Rows | undefined;
  let batchesWithout = 0;

  /** The SKUs that a command changes; undefined when it has to be decided on what the database says. */
  function skusOf(command: Command): readonly string[] | undefined {
    if (command.kind === 'hold') {
      if (holds.get(command.orderId) || holds.isDoubted(command.orderId)) return undefined;
      return command.lines.map(({ sku }) => sku);
    }
    return command.kind === 'commit' ? holds.get(command.orderId)?.lines.map(({ sku }) => sku) : undefined;
  }

  function takeAll(commands: readonly Command[]): Rows | undefined {
    const rows = new Map<string, Stock>();
    const known: HoldRecord[] = [];
    const orders = new Set<string>();
    for (const command of commands) {
      const skus = skusOf(command);
      if (!skus || !('orderId' in command) || orders.has(command.orderId)) return undefined;
      orders.add(command.orderId);
      const hold = holds.get(command.orderId);
      if (hold) known.push(hold);
      for (const sku of skus) {
        const row = stock.get(sku);
        if (!row) return undefined;
        if (!rows.has(sku)) rows.set(sku, { ...row });
      }
    }
    return { stock: [...rows.values()].sort((a, b) => (a.sku < b.sku ? -1 : 1)), holds: known };
  }

  function doubtHolds(commands: readonly Command[]): void {
    for (const command of commands) if ('orderId' in command) holds.doubt(command.orderId);
  }

  return {
    knows: (command) => batchesWithout === 0 && skusOf(command)?.every((sku) => stock.get(sku)) === true,
    take(commands) {
      proposed = undefined;
      if (batchesWithout > 0) {
        batchesWithout -= 1;
        return undefined;
      }
      return takeAll(commands);
    },
    propose(rows) {
      proposed = rows;
    },
    committed() {
      if (!proposed) return;
      for (const row of proposed.stock) stock.keep(row.sku, row);
      for (const hold of proposed.holds) {
        if (hold.status === 'held') holds.keep(hold.orderId, hold);
        else holds.forget(hold.orderId);
      }
      proposed = undefined;
    },
    doubtHolds,
    doubt(commands) {
      batchesWithout = batchesAfterDoubt;
      for (const command of commands) for (const sku of skusOf(command) ?? []) stock.forget(sku);
      doubtHolds(commands);
    },
  };
}

/**
 * Holds and sales decided on recalled rows and written in one round trip, if they still are as recalled: `Overtaken`
 * otherwise, and the batch runs again on rows that it has locked. Undefined where something would be refused: that is
 * not to be decided on what may be old.
 */
export async function applyRecalled(
  tx: Transaction,
  { holder, publish, recall }: { holder: string; publish: Publish | undefined; recall: StockRecall },
  commands: readonly Command[],
  rows: Rows,
): Promise<Verdict<CommandResult>[] | undefined> {
  const versions = new Map(rows.stock.map((row) => [row.sku, row.version]));
  const soldOut = new Set(rows.stock.filter((row) => row.onHand === 0).map((row) => row.sku));
  const book = newBook(rows.stock, rows.holds);
  const expiry = new Map<string, number>();
  const verdicts: Verdict<CommandResult>[] = [];
  for (const command of commands) {
    if (command.kind === 'hold') {
      const hold = holdStock(book, command.orderId, command.lines);
      if (hold.status === 'refused') return undefined;
      expiry.set(command.orderId, command.expiresInMs);
      verdicts.push({ ok: withStock(book, hold, command.lines) });
    } else if (command.kind === 'commit') {
      verdicts.push({ ok: withStock(book, commitHold(book, command.orderId)) });
    }
  }
  const before = new Set(rows.holds.map(({ orderId }) => orderId));
  // In order of id, as stock is in order of SKU: that is how every instance locks them.
  const holds = [...book.changedHolds.values()].sort((a, b) => (a.orderId < b.orderId ? -1 : 1));
  const writes = [
    writeBook(tx, holder, {
      stock: rows.stock,
      movements: book.movements,
      newHolds: holds
        .filter(({ orderId }) => !before.has(orderId))
        .map((hold) => ({ ...hold, expiresInMs: expiry.get(hold.orderId) as number })),
      changedHolds: holds.filter(({ orderId }) => before.has(orderId)),
      recalled: versions,
    }),
    publishCrossings(tx, publish, holder, crossingsOf(rows.stock, soldOut)),
  ];
  tx.seal();
  try {
    await allWritten(writes);
  } catch (error) {
    if (error instanceof Overtaken) recall.doubtHolds(commands);
    if (!isInexact(error)) throw error;
    recall.doubt(commands);
    throw new Overtaken('stock was changed elsewhere at the same time');
  }
  recall.propose({ stock: rows.stock, holds });
  return verdicts;
}
