import type { inventory } from '#contracts/inventory';
import type { payments } from '#contracts/payments';
import { kindSum } from '#contracts/till-journal';
import type { ReturnEntry, SaleEntry } from '#contracts/tills';
import { type CallContext, type Client, isProblem } from '#kit/contract';
import type { Database } from '#kit/runtime';
import type { EntryRecord, Found } from './model.ts';
import { insertConflicts, readSales, setSettled, unsettled } from './store.ts';

export interface SettleOptions {
  readonly database: Database;
  readonly inventory: Client<typeof inventory>;
  readonly payments: Client<typeof payments>;
}

/** A payment belongs to an order; that of a sale bears the same 26 characters. */
export const paymentIdOf = (saleId: string): string => `ord_${saleId.slice('sal_'.length)}`;

const entriesMax = 200;

/**
 * Tells inventory and payments what happened at a till, in the order in which it happened there. Each call has the name of
 * its sale or return, so whatever is told twice counts once; what can't be told now is told later.
 */
export function createSettlement({ database, inventory, payments }: SettleOptions) {
  async function settleTill(tillId: string, context: CallContext): Promise<number> {
    const entries = await unsettled(database, tillId, entriesMax);
    for (const entry of entries) {
      const found = await settle(entry, context);
      await database.transaction(async (tx) => {
        const conflicts = found.map((one) => ({ ...one, tillId, seq: entry.seq }));
        await Promise.all([insertConflicts(tx, conflicts), setSettled(tx, tillId, entry.seq)]);
      });
    }
    return entries.length;
  }

  function settle(entry: EntryRecord, context: CallContext): Promise<Found[]> {
    const { body, tillId } = entry;
    if (body.kind === 'sale') return settleSale(tillId, body, context);
    if (body.kind === 'return') return settleReturn(tillId, body, context);
    return Promise.resolve([]);
  }

  async function settleSale(holder: string, sale: SaleEntry, context: CallContext): Promise<Found[]> {
    const lines = sale.lines.map(({ sku, quantity }) => ({ sku, quantity }));
    const { body } = await inventory.sell({ body: { reference: sale.saleId, holder, lines } }, context);
    const [first] = body.shortages;
    const found: Found[] = [];
    if (first) {
      const detail = `${first.wanted} of ${first.sku} were sold, the till had ${first.available}`;
      found.push({ kind: 'share-exceeded', detail, data: { shortages: body.shortages } });
    }
    const cardMinor = kindSum([sale], 'card');
    return cardMinor > 0 ? [...found, ...(await checkCharge(sale.saleId, cardMinor, context))] : found;
  }

  async function checkCharge(saleId: string, cardMinor: number, context: CallContext): Promise<Found[]> {
    const charged = await orRefused(async () => {
      const { body } = await payments.get({ params: { orderId: paymentIdOf(saleId) } }, context);
      return body.capturedMinor;
    });
    if (charged === cardMinor) return [];
    const detail = `${cardMinor} by card, the provider has taken ${typeof charged === 'number' ? charged : 'nothing'}`;
    return [{ kind: 'card-not-charged', detail }];
  }

  async function settleReturn(here: string, entry: ReturnEntry, context: CallContext): Promise<Found[]> {
    const { returnId, saleId, lines } = entry;
    const [sale] = await readSales(database, [saleId]);
    // Nobody knows whose books they were in: people have to find them a place.
    if (!sale) return [];
    const holder = sale.tillId;
    const taken = await orRefused(() =>
      inventory.takeBack({ body: { reference: returnId, holder, lines: [...lines] } }, context),
    );
    const found: Found[] = typeof taken === 'string' ? [{ kind: 'not-sold', detail: taken }] : [];
    const sellable = lines.flatMap(({ sku, quantity, sellable }) => (sellable ? [{ sku, quantity }] : []));
    // Sold at one till and brought back to another: the units are where they are. Where the seller has sold more than it had
    // meanwhile, they are gone by its books, and stay there: what comes after them must not wait for its next delivery.
    if (found.length === 0 && holder !== here && sellable.length > 0) {
      const handed = await orRefused(() =>
        inventory.transfer({ key: `${returnId}-here`, body: { from: holder, to: here, lines: sellable } }, context),
      );
      if (typeof handed === 'string') {
        found.push({ kind: 'share-exceeded', detail: `what came back stays in the books of ${holder}: ${handed}` });
      }
    }
    const cardMinor = kindSum([entry], 'card');
    if (cardMinor === 0) return found;
    const refunded = await orRefused(() =>
      payments.refund(
        { params: { orderId: paymentIdOf(saleId) }, body: { refundId: returnId, amountMinor: cardMinor } },
        context,
      ),
    );
    return typeof refunded === 'string' ? [...found, { kind: 'card-not-charged', detail: refunded }] : found;
  }

  return { settleTill };
}

/** What was refused for good is a finding, not a reason to ask again. */
async function orRefused<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    if (isProblem(error) && error.retry === 'never' && error.category !== 'internal') return error.message;
    throw error;
  }
}
