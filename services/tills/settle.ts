import { hash } from 'node:crypto';
import { idLetters } from '#contracts/ids';
import type { inventory } from '#contracts/inventory';
import type { payments } from '#contracts/payments';
import { cardSums } from '#contracts/till-journal';
import type { ReturnEntry, SaleEntry } from '#contracts/tills';
import { type CallContext, type Client, isProblem, toProblem } from '#kit/contract';
import type { Database } from '#kit/runtime';
import type { EntryRecord, Found } from './model.ts';
import { countFailure, insertConflicts, isSaleSettled, putAside, readSales, setSettled, unsettled } from './store.ts';

export interface SettleOptions {
  readonly database: Database;
  readonly inventory: Client<typeof inventory>;
  readonly payments: Client<typeof payments>;
}

const idLength = 26;

/**
 * A payment belongs to an order. That of each card of a sale bears 26 characters made from the sale's id and the card's number
 * (130 bits of SHA-256). They are never characters of the id itself: a device makes those up, and could name the payment of any
 * order of the shop, and give its money back.
 */
export function paymentIdOf(saleId: string, card = 1): string {
  const letters = [...hash('sha256', `${saleId} ${card}`, 'buffer').subarray(0, idLength)];
  return `ord_${letters.map((byte) => idLetters[byte % idLetters.length]).join('')}`;
}

/** A card's part of a return. The first keeps the name that it had when it was the only one. */
const refundIdOf = (returnId: string, card: number): string => (card === 1 ? returnId : `${returnId}-${card}`);

const entriesMax = 200;

/** So often an entry may be refused before those after it are told without it. */
const failuresMax = 3;
/** Where somebody is simply away nothing else could be told either; but not for ever, if it is this entry that takes too long. */
const awayMsMax = 15 * 60_000;
/** What is put aside is told again after this. */
const asideMs = 5 * 60_000;

/**
 * Tells inventory and payments what happened at a till, in the order in which it happened there. Each call has the name of
 * its sale or return, so whatever is told twice counts once; what can't be told now is told later. What they keep refusing
 * becomes a conflict and stands aside.
 */
export function createSettlement({ database, inventory, payments }: SettleOptions) {
  async function settleTill(tillId: string, context: CallContext): Promise<number> {
    let count = 0;
    for (const entry of await unsettled(database, tillId, entriesMax, { isDue: true })) {
      let found: Found[];
      try {
        found = await settle(entry, context);
      } catch (error) {
        if (await standsAside(entry, error)) continue;
        throw error;
      }
      await database.transaction(async (tx) => {
        const conflicts = found.map((one) => ({ ...one, tillId, seq: entry.seq }));
        await Promise.all([insertConflicts(tx, conflicts), setSettled(tx, tillId, entry.seq)]);
      });
      count += 1;
    }
    return count;
  }

  async function standsAside(entry: EntryRecord, error: unknown): Promise<boolean> {
    const { category } = toProblem(error);
    const isAway = category === 'unavailable' || category === 'timeout';
    const failed = await countFailure(database, entry);
    if (!failed) return true;
    if (isAway ? failed.failingMs < awayMsMax : failed.failures < failuresMax) return false;
    const why = error instanceof Error ? error.message : String(error);
    await putAside(database, entry, `not told yet after ${failed.failures} attempts: ${why}`, asideMs);
    return true;
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
    const wrong: string[] = [];
    for (const [card, amountMinor] of cardSums(sale.tenders)) {
      const charged = await chargedOf(paymentIdOf(sale.saleId, card), context);
      if (charged === amountMinor) continue;
      wrong.push(`${amountMinor} by card ${card}, the provider has taken ${charged ?? 'nothing'}`);
    }
    return [...found, ...notCharged(wrong)];
  }

  /** Undefined when nothing is known of it. */
  async function chargedOf(orderId: string, context: CallContext): Promise<number | undefined> {
    const charged = await orRefused(async () => {
      const { body } = await payments.get({ params: { orderId } }, context);
      return body.capturedMinor;
    });
    return typeof charged === 'number' ? charged : undefined;
  }

  async function settleReturn(here: string, entry: ReturnEntry, context: CallContext): Promise<Found[]> {
    const { returnId, saleId, lines } = entry;
    const [sale] = await readSales(database, [saleId]);
    // Nobody knows whose books they were in: people have to find them a place.
    if (!sale) return [];
    const holder = sale.tillId;
    // Put aside, or told by another till that is just at it: goods that are not sold yet can't come back.
    if (!(await isSaleSettled(database, saleId))) throw new Error(`${saleId}, which it is of, has not been told yet`);
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
    // Each part by itself: a card that takes nothing back keeps no other from its money.
    const refused: string[] = [];
    for (const [card, amountMinor] of cardSums(entry.tenders)) {
      const body = { refundId: refundIdOf(returnId, card), amountMinor };
      const refunded = await orRefused(() =>
        payments.refund({ params: { orderId: paymentIdOf(saleId, card) }, body }, context),
      );
      if (typeof refunded === 'string') refused.push(`${amountMinor} to card ${card}: ${refunded}`);
    }
    return [...found, ...notCharged(refused)];
  }

  return { settleTill };
}

/** One finding for all cards: one of a kind is noted for an entry. */
const notCharged = (details: readonly string[]): Found[] =>
  details.length > 0 ? [{ kind: 'card-not-charged', detail: details.join('; ') }] : [];

/** What was refused for good is a finding, not a reason to ask again. */
async function orRefused<T>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    if (isProblem(error) && error.retry === 'never' && error.category !== 'internal') return error.message;
    throw error;
  }
}
