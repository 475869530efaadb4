import type { StockEvent } from '#contracts/inventory';
import type { EventDraft } from '#kit/messaging';
import type { Transaction } from '#kit/runtime';
import type { Stock } from './model.ts';

/** Writes events to the outbox in the transaction of what they tell. */
export type Publish = (tx: Transaction, events: readonly EventDraft<StockEvent>[]) => Promise<unknown>;

/** One event a version of a SKU, ever: a batch that is applied again makes none twice. */
export function changed(holder: string, { sku, version, onHand }: Stock): EventDraft<StockEvent> {
  const data = { sku, holder, available: onHand > 0, version };
  return { id: `evt_stock_${holder}_${sku}_${version}`, type: 'stock.changed', key: sku, data };
}
