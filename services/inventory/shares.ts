import { inventoryProblems, type MovementKind, type ShareChange, type StockLine } from '#contracts/inventory';
import { contractProblems } from '#kit/contract';
import type { Transaction } from '#kit/runtime';
import { allWritten, type Verdict } from '#kit/store';
import { type Publish, publishCrossings } from './events.ts';
import { crossingsOf, mergeLines, outOfStock, type Shortage } from './model.ts';
import {
  addShareChanges,
  addShareMovements,
  knownShareChanges,
  lockShares,
  type Share,
  type ShareMovement,
  writeShares,
} from './share-store.ts';

/** Whatever is done with shares has a reference that names it for ever. */
export type ShareCommand = { readonly reference: string; readonly fingerprint: string } & (
  | { readonly kind: 'transfer'; readonly from: string; readonly to: string; readonly lines: readonly StockLine[] }
  | { readonly kind: 'sell'; readonly holder: string; readonly lines: readonly StockLine[] }
  | {
      readonly kind: 'take-back';
      readonly holder: string;
      readonly lines: readonly (StockLine & { readonly sellable: boolean })[];
    }
);

/**
 * Shares of stock (escrow: O'Neil, "The escrow transactional method", TODS 11(4), 1986): each holder sells its own without
 * asking anyone, and only what moves between holders needs both. Applies a batch in one transaction. Holders of one
 * database hand over in one commit, so nothing is ever on the way between them.
 */
export async function applyShareCommands(
  tx: Transaction,
  { holder, publish }: { readonly holder: string; readonly publish: Publish | undefined },
  commands: readonly ShareCommand[],
): Promise<Verdict<ShareChange>[]> {
  const references = [...new Set(commands.map(({ reference }) => reference))].sort();
  const [known, locked] = await Promise.all([
    knownShareChanges(tx, references),
    lockShares(tx, commands.flatMap(placesOf)),
  ]);
  const shares = new Map(locked.map((share) => [nameOf(share.holder, share.sku), share]));
  const own = locked.filter((share) => share.holder === holder);
  const soldOut = new Set(own.filter(({ onHand }) => onHand === 0).map(({ sku }) => sku));
  const movements: ShareMovement[] = [];
  const made: { command: ShareCommand; result: ShareChange }[] = [];

  const verdicts = commands.map((command): Verdict<ShareChange> => {
    try {
      return { ok: once(command) };
    } catch (error) {
      return { error };
    }
  });

  function once(command: ShareCommand): ShareChange {
    const { reference, kind, fingerprint } = command;
    const before = known.get(reference);
    if (before && (before.fingerprint !== fingerprint || before.kind !== kind)) {
      throw contractProblems['idempotency-key-reused']();
    }
    if (before) return before.result;
    const shortages = apply(command);
    const stock = placesOf(command).map((place) => {
      const { onHand: available, version } = shareOf(place);
      return { ...place, available, version };
    });
    const result = { reference, stock, shortages };
    made.push({ command, result });
    known.set(reference, { kind, fingerprint, result });
    return result;
  }

  function apply(command: ShareCommand): Shortage[] {
    switch (command.kind) {
      case 'transfer':
        transfer(command);
        return [];
      case 'sell':
        return sell(command);
      case 'take-back':
        takeBack(command);
        return [];
    }
  }

  function transfer({ from, to, lines, reference }: Extract<ShareCommand, { kind: 'transfer' }>): void {
    const wanted = mergeLines(lines);
    const shortages = shortagesOf(from, wanted);
    if (shortages.length > 0) throw outOfStock(shortages);
    for (const { sku, quantity } of wanted) {
      const [source, target] = [shareOf({ holder: from, sku }), shareOf({ holder: to, sku })];
      source.onHand -= quantity;
      source.sent += quantity;
      move(source, 'send', quantity, reference);
      target.onHand += quantity;
      target.arrived += quantity;
      move(target, 'arrive', quantity, reference);
    }
  }

  /** Sold is sold: units that the books don't know of were there all the same, so they are found first. */
  function sell({ holder: at, lines, reference }: Extract<ShareCommand, { kind: 'sell' }>): Shortage[] {
    const wanted = mergeLines(lines);
    const shortages = shortagesOf(at, wanted);
    for (const { sku, wanted: units, available } of shortages) {
      const share = shareOf({ holder: at, sku });
      share.received += units - available;
      share.onHand += units - available;
      move(share, 'find', units - available, reference);
    }
    for (const { sku, quantity } of wanted) {
      const share = shareOf({ holder: at, sku });
      share.onHand -= quantity;
      share.sold += quantity;
      move(share, 'sell', quantity, reference);
    }
    return shortages;
  }

  function takeBack({ holder: at, lines, reference }: Extract<ShareCommand, { kind: 'take-back' }>): void {
    for (const { sku, quantity } of mergeLines(lines)) {
      const { sold } = shareOf({ holder: at, sku });
      if (quantity > sold) {
        throw inventoryProblems['not-sold']({ detail: `${sku}: ${quantity} to take back, ${sold} sold by ${at}` });
      }
    }
    for (const { sku, quantity, sellable } of lines) {
      const share = shareOf({ holder: at, sku });
      share.sold -= quantity;
      if (sellable) share.onHand += quantity;
      else share.writtenOff += quantity;
      move(share, sellable ? 'restock' : 'write-off', quantity, reference);
    }
  }

  function shortagesOf(at: string, wanted: readonly StockLine[]): Shortage[] {
    return wanted.flatMap(({ sku, quantity }) => {
      const available = shareOf({ holder: at, sku }).onHand;
      return available < quantity ? [{ sku, wanted: quantity, available }] : [];
    });
  }

  function shareOf({ holder: at, sku }: Place): Share {
    const share = shares.get(nameOf(at, sku));
    if (!share) throw new Error(`the share of ${at} in ${sku} was not loaded`);
    return share;
  }

  function move(share: Share, kind: MovementKind, quantity: number, reference: string): void {
    share.version += 1;
    movements.push({ holder: share.holder, sku: share.sku, version: share.version, kind, quantity, reference });
  }

  const touched = new Set(movements.map((row) => nameOf(row.holder, row.sku)));
  const writes = [
    addShareChanges(
      tx,
      made.map(({ command, result }) => ({ ...command, result })),
    ),
    writeShares(
      tx,
      locked.filter((share) => touched.has(nameOf(share.holder, share.sku))),
    ),
    addShareMovements(tx, movements),
    // Of the shop's own stock alone: what a till has is nothing that the catalogue could promise.
    publishCrossings(tx, publish, holder, crossingsOf(own, soldOut)),
  ];
  tx.seal();
  await allWritten(writes);
  return verdicts;
}

interface Place {
  readonly holder: string;
  readonly sku: string;
}

function placesOf(command: ShareCommand): Place[] {
  const holders = command.kind === 'transfer' ? [command.from, command.to] : [command.holder];
  const skus = [...new Set(command.lines.map(({ sku }) => sku))];
  return holders.flatMap((holder) => skus.map((sku) => ({ holder, sku })));
}

/** Neither has a space in it. */
const nameOf = (holder: string, sku: string): string => `${holder} ${sku}`;
