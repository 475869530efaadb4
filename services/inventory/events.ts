import type { StockEvent } from '#contracts/inventory';
import type { EventDraft } from '#kit/messaging';
import type { Transaction } from '#kit/runtime';
import type { Stock } from './model.ts';

/** Writes events to the outbox in the transaction of what they tell. */
export type Publish = (tx: Transaction, events: readonly EventDraft<StockEvent>[]) => Promise<unknown>;

/**
 * Tells which SKUs sold out or are back. The last that a transaction writes, as the outbox wants it: the locks on stock put
 * the events of a SKU in the order of the commits.
 */
export function publishCrossings(
  tx: Transaction,
  publish: Publish | undefined,
  holder: string,
  crossings: readonly Stock[],
): Promise<unknown> | undefined {
  if (!publish || crossings.length === 0) return undefined;
  return publish(
    tx,
    crossings.map((row) => changed(holder, row)),
  );
}

/** One event a version of a SKU, ever: a batch that is applied again makes none twice. */
function changed(holder: string, { sku, version, onHand }: Stock): EventDraft<StockEvent> {
  const data = { sku, holder, available: onHand > 0, version };
  return { id: `evt_stock_${holder}_${sku}_${version}`, type: 'stock.changed', key: sku, data };
}
