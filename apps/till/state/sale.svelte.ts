import { isApiProblem } from '#api';
import type { CatalogueItem } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { problemWords } from '#ui/problem-words.ts';
import { saleTotals } from '../../../contracts/till-journal.ts';
import {
  askCard,
  type Charge,
  callOffCard,
  cardPaid,
  type Draft,
  emptyDraft,
  isBeingPaid,
  type Put,
  paidMinor,
  putLine,
  quantityOf,
  takeTender,
  withoutCharge,
} from '../model/basket.ts';
import { takeCash } from '../model/cash.ts';
import { chanceBytes, newId } from '../model/ids.ts';
import { heldBackBy } from '../model/limits.ts';
import { api } from '../till.ts';
import { calledOff, callOff, loadCalledOff, sendCalledOff } from './called-off.svelte.ts';
import { type Held, type Kept, type OpenSession, readValue, writeValue } from './database.ts';
import { forgetOld, writeEntry } from './journal.ts';
import { reload, shop, tellAndAsk } from './shop.svelte.ts';

/** The sale at hand, sales on hold, and the drawer that they belong to. */

/** More would be a queue in front of the till, not a hold. */
export const heldMax = 50;
/** How long this device can look up and return a sale without a connection. */
const keepMs = 90 * 86_400_000;

let draft = $state.raw<Draft>(emptyDraft(''));
let session = $state.raw<OpenSession>();
let held = $state.raw<readonly Held[]>([]);
/** The sale that was just finished, for its receipt. */
let finished = $state.raw<Kept>();
const totals = $derived.by(() =>
  shop.device && draft.lines.length > 0
    ? saleTotals({ lines: [...draft.lines], discounts: [...draft.discounts] }, shop.till, rules())
    : undefined,
);

const rules = () => shop.rules ?? { taxes: [], taxClasses: [], shippingMethods: [] };
export const fresh = (prefix: 'sal' | 'tse' | 'tre'): string =>
  newId(prefix, Date.now(), crypto.getRandomValues(new Uint8Array(chanceBytes)));

export const sale = {
  get draft(): Draft {
    return draft;
  },
  /** Undefined while the basket is empty. */
  get totals(): Totals | undefined {
    return totals;
  },
  get dueMinor(): number {
    return (totals?.totalMinor ?? 0) - paidMinor(draft);
  },
  get session(): OpenSession | undefined {
    return session;
  },
  get held(): readonly Held[] {
    return held;
  },
  get finished(): Kept | undefined {
    return finished;
  },
};

export async function loadSale(): Promise<void> {
  const { database } = shop;
  session = await readValue(database, 'session');
  draft = (await readValue(database, 'draft')) ?? emptyDraft(fresh('sal'));
  held = await database.getAll('held');
  await loadCalledOff();
}

/** What is in the basket is on the device before anything is done with it. */
export async function setDraft(next: Draft): Promise<void> {
  draft = next;
  await writeValue(shop.database, 'draft', next);
}

let exchanged: Promise<unknown> = Promise.resolve();

/** One basket takes the place of another. What is scanned meanwhile waits, or it would go with the one that is leaving. */
function exchange(work: () => Promise<void>): Promise<void> {
  const done = exchanged.then(work);
  exchanged = done.catch(() => {});
  return done;
}

/** So many of it in all; says no when the till has fewer. */
export async function put(item: CatalogueItem, quantity: number): Promise<Put> {
  await exchanged;
  return putNow(item, quantity);
}

export async function addOne(item: CatalogueItem): Promise<Put> {
  await exchanged;
  return putNow(item, quantityOf(draft, item.sku) + 1);
}

async function putNow(item: CatalogueItem, quantity: number): Promise<Put> {
  finished = undefined;
  const answer = putLine(draft, item, quantity, shop.onHand(item.sku), shop.taxClassOf(item.sku));
  if (answer.ok) await setDraft(answer.draft);
  return answer;
}

export async function clear(): Promise<void> {
  await exchanged;
  if (isBeingPaid(draft)) return;
  await setDraft(emptyDraft(fresh('sal')));
}

/** Why nothing may be sold just now, by the bounds of being offline. */
export function heldBack(): 'amount' | 'age' | undefined {
  const untoldMinor = shop.untold.reduce((sum, { entry }) => sum + (entry.kind === 'sale' ? entry.totalMinor : 0), 0);
  const alone = { isOnline: shop.isOnline, untoldMinor, aloneMs: shop.aloneMs() };
  return heldBackBy(totals?.totalMinor ?? 0, alone, shop.till.offline);
}

/** Takes cash. When it covers what is due, the sale is finished and the rest is change. */
export async function payCash(givenMinor: number): Promise<void> {
  const { keptMinor } = takeCash(sale.dueMinor, givenMinor);
  const given = { ...draft, givenMinor: givenMinor + (draft.givenMinor ?? 0) };
  await setDraft(takeTender(given, { kind: 'cash', amountMinor: keptMinor }));
  if (sale.dueMinor === 0) await finish();
}

/** Gives back what was taken in cash before the sale is finished. */
export async function undoCash(): Promise<void> {
  const { givenMinor, ...rest } = draft;
  await setDraft({ ...rest, tenders: rest.tenders.filter(({ kind }) => kind !== 'cash') });
}

/** The last commit of a sale. From here on it has been made, whatever happens to this device. */
export const finish = (): Promise<void> => exchange(finishNow);

async function finishNow(): Promise<void> {
  const { sessionId } = session as OpenSession;
  const { saleId, lines, discounts, tenders, givenMinor } = draft;
  const kept = await writeEntry(
    shop.database,
    shop.till,
    {
      kind: 'sale',
      sessionId,
      at: new Date().toISOString(),
      saleId,
      lines: [...lines],
      discounts: [...discounts],
      totalMinor: (totals as Totals).totalMinor,
      tenders: [...tenders],
      ...(shop.isOnline ? {} : { offline: true }),
    },
    { rules: rules(), givenMinor, endsDraft: true },
  );
  finished = kept;
  draft = emptyDraft(fresh('sal'));
  await reload();
  void tellAndAsk();
}

export type Charged = 'done' | 'declined' | 'unknown';

/**
 * Charges a card: one of as many as the customer likes. That it was asked for is on the device first, and sale and number
 * name the charge, so asking again after a lost answer, or after the power came back, is the same charge.
 */
export async function payCard(amountMinor: number, method: string): Promise<{ how: Charged; why?: string }> {
  if (!draft.charge) await setDraft(askCard(draft, amountMinor, method));
  const { saleId } = draft;
  const charge = draft.charge as Charge;
  // Called off meanwhile it counts for nothing, and least of all for the card that was asked after it.
  const isStill = () => draft.saleId === saleId && draft.charge?.card === charge.card;
  const gone = { how: 'unknown', why: 'The payment was called off.' } as const;
  try {
    const { body } = await api.tills.charge({ body: { saleId, ...charge } });
    if (!isStill() || body.chargedMinor !== charge.amountMinor) return gone;
    await setDraft(cardPaid(draft));
  } catch (error) {
    if (!isApiProblem(error)) throw error;
    if (!isStill()) return gone;
    if (error.code !== 'payments/declined') return { how: 'unknown', why: problemWords(error) };
    // Nothing was taken, and never will be under this number: another card is another charge.
    await setDraft(withoutCharge(draft));
    return { how: 'declined', why: error.message };
  }
  if (sale.dueMinor === 0) await finish();
  return { how: 'done' };
}

/**
 * Makes sure that a card is not charged, or gets its money back: the one that was asked, or else the one of this number.
 * It counts for nothing from the moment that this is written down, so the sale goes on without an answer.
 */
export async function undoCard(card?: number): Promise<void> {
  const called = callOffCard(draft, card);
  if (!called) return;
  const before = draft;
  // At once, so that no late answer finds the card still asked.
  draft = called.draft;
  try {
    await callOff(called.draft, called.calledOff);
  } catch (error) {
    draft = before;
    throw error;
  }
  await sendCalledOff();
  // Else whether there is a connection would be known half a minute later.
  if (calledOff.waiting.length > 0) void tellAndAsk();
}

/** Puts the basket aside under a name, for as long as it takes. */
export const hold = (name: string): Promise<void> => exchange(() => holdNow(name));

async function holdNow(name: string): Promise<void> {
  if (isBeingPaid(draft) || draft.lines.length === 0 || held.length >= heldMax) return;
  const one: Held = { id: draft.saleId, at: new Date().toISOString(), name, draft };
  const tx = shop.database.transaction(['held', 'value'], 'readwrite');
  await Promise.all([tx.objectStore('held').put(one), tx.objectStore('value').delete('draft'), tx.done]);
  held = [...held, one];
  draft = emptyDraft(fresh('sal'));
}

/** Takes a sale that was put aside back, in place of an empty basket. */
export const recall = (id: string): Promise<void> => exchange(() => recallNow(id));

async function recallNow(id: string): Promise<void> {
  const one = held.find((each) => each.id === id);
  if (!one || draft.lines.length > 0) return;
  const tx = shop.database.transaction(['held', 'value'], 'readwrite');
  await Promise.all([tx.objectStore('held').delete(id), tx.objectStore('value').put(one.draft, 'draft'), tx.done]);
  held = held.filter((each) => each.id !== id);
  draft = one.draft;
  finished = undefined;
}

export async function openSession(cashier: string, floatMinor: number): Promise<void> {
  const at = new Date().toISOString();
  const opened: OpenSession = { sessionId: fresh('tse'), cashier, openedAt: at };
  const entry = { kind: 'open', sessionId: opened.sessionId, at, cashier, floatMinor } as const;
  await writeEntry(shop.database, shop.till, entry, { session: opened });
  session = opened;
  await forgetOld(shop.database, shop.till.id, Date.now() - keepMs);
  await told();
}

export async function moveCash(amountMinor: number, reason: string): Promise<void> {
  const { sessionId } = session as OpenSession;
  const at = new Date().toISOString();
  await writeEntry(shop.database, shop.till, { kind: 'cash', sessionId, at, amountMinor, reason });
  await told();
}

/** Closes the drawer; answers with the session’s id, for its Z report. */
export async function closeSession(countedMinor: number): Promise<string> {
  const { sessionId } = session as OpenSession;
  const at = new Date().toISOString();
  await writeEntry(shop.database, shop.till, { kind: 'close', sessionId, at, countedMinor }, { session: null });
  session = undefined;
  await told();
  return sessionId;
}

/** Shows what was just written, and tells it. */
export async function told(): Promise<void> {
  await reload();
  void tellAndAsk();
}

export function startNext(): void {
  finished = undefined;
}
