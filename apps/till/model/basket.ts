import type { CatalogueItem, SaleEntry, Tender } from '#contracts/tills';
import { isByCard } from '../../../contracts/till-journal.ts';

export type Line = SaleEntry['lines'][number];
export type Discount = SaleEntry['discounts'][number];

/** A sale that is not finished. Kept on the device after every change, so nothing of it is lost either. */
export interface Draft {
  /** Made before a card is charged, so that a charge whose answer was lost is found again. */
  readonly saleId: string;
  readonly lines: readonly Line[];
  readonly discounts: readonly Discount[];
  /** What was taken already. */
  readonly tenders: readonly Tender[];
  /** Cards that were asked: the next one has the next number, and a number is never used again. */
  readonly cardsAsked?: number;
  /** A card payment that was asked for, and whose end is not known. */
  readonly charge?: Charge;
  /** Cash that was handed over for the last tender of cash. */
  readonly givenMinor?: number;
}

export interface Charge {
  readonly card?: number;
  readonly amountMinor: number;
  readonly method: string;
}

/** A card that is to have nothing taken from it, or to get back what was. It counts for nothing any more. */
export interface CalledOff {
  readonly saleId: string;
  readonly card: number;
  readonly amountMinor: number;
  /** Why the shop would not do it when it was asked last. */
  readonly refusedFor?: string;
}

/** Bounds of the contract. */
const linesMax = 200;
const discountsMax = 20;

export const emptyDraft = (saleId: string): Draft => ({ saleId, lines: [], discounts: [], tenders: [] });

export type Put =
  | { readonly ok: true; readonly draft: Draft }
  | { readonly ok: false; readonly why: 'share' | 'full'; readonly onHand: number };

/** `quantity` in place of what is there; 0 takes the line away, with the discounts on it alone. */
export function putLine(
  draft: Draft,
  item: CatalogueItem,
  quantity: number,
  onHand: number,
  taxClass: string | undefined,
): Put {
  if (quantity <= 0) return { ok: true, draft: withoutLine(draft, item.sku) };
  if (quantity > onHand) return { ok: false, why: 'share', onHand };
  const { sku, name, unitPriceMinor } = item;
  const line: Line = { sku, name, quantity, unitPriceMinor, ...(taxClass === undefined ? {} : { taxClass }) };
  const isThere = draft.lines.some((each) => each.sku === sku);
  if (!isThere && draft.lines.length >= linesMax) return { ok: false, why: 'full', onHand };
  const lines = isThere ? draft.lines.map((each) => (each.sku === sku ? line : each)) : [...draft.lines, line];
  return { ok: true, draft: { ...draft, lines } };
}

function withoutLine(draft: Draft, sku: string): Draft {
  const lines = draft.lines.filter((line) => line.sku !== sku);
  const left = new Set(lines.map((line) => line.sku));
  const discounts = draft.discounts.filter(({ skus }) => !skus || skus.some((each) => left.has(each)));
  return { ...draft, lines, discounts: lines.length === 0 ? [] : discounts };
}

export const quantityOf = (draft: Draft, sku: string): number =>
  draft.lines.find((line) => line.sku === sku)?.quantity ?? 0;

/** Undefined when there are as many as a sale may have. */
export function addDiscount(draft: Draft, discount: Discount): Draft | undefined {
  if (draft.discounts.length >= discountsMax) return undefined;
  return { ...draft, discounts: [...draft.discounts, discount] };
}

export function removeDiscount(draft: Draft, index: number): Draft {
  return { ...draft, discounts: draft.discounts.filter((_, i) => i !== index) };
}

export const paidMinor = ({ tenders }: Pick<Draft, 'tenders'>): number =>
  tenders.reduce((sum, { amountMinor }) => sum + amountMinor, 0);

/** Cash is one sum, each card a part of its own. Nothing given is no part. */
export function takeTender(draft: Draft, tender: Tender): Draft {
  if (tender.amountMinor <= 0) return draft;
  const before = tender.kind === 'cash' ? draft.tenders.find(({ kind }) => kind === 'cash') : undefined;
  if (!before) return { ...draft, tenders: [...draft.tenders, tender] };
  const sum = { ...before, amountMinor: before.amountMinor + tender.amountMinor };
  return { ...draft, tenders: draft.tenders.map((each) => (each === before ? sum : each)) };
}

/** The next card, asked for this much: under a number that none of the sale has had, however its payment ended. */
export function askCard(draft: Draft, amountMinor: number, method: string): Draft {
  const card = (draft.cardsAsked ?? 0) + 1;
  return { ...draft, cardsAsked: card, charge: { card, amountMinor, method } };
}

/** The card that was asked has paid. */
export function cardPaid(draft: Draft): Draft {
  const { charge, ...rest } = draft;
  if (!charge) return draft;
  const { amountMinor, card } = charge;
  return takeTender(rest, { kind: 'card', amountMinor, ...(card === undefined ? {} : { card }) });
}

/** The sale without a card: the one that was asked, or else the one of this number. Undefined where there is none. */
export function callOffCard(draft: Draft, card = 1): { draft: Draft; calledOff: CalledOff } | undefined {
  const { saleId, charge } = draft;
  if (charge) {
    const calledOff = { saleId, card: charge.card ?? 1, amountMinor: charge.amountMinor };
    return { draft: withoutCharge(draft), calledOff };
  }
  const isIt = isByCard(card);
  const paid = draft.tenders.find(isIt);
  if (!paid) return undefined;
  const tenders = draft.tenders.filter((each) => !isIt(each));
  return { draft: { ...draft, tenders }, calledOff: { saleId, card, amountMinor: paid.amountMinor } };
}

export function withoutCharge({ charge, ...rest }: Draft): Draft {
  return rest;
}

/** Whether money has changed hands, or may have: what is in the basket then stays as it is. */
export const isBeingPaid = ({ tenders, charge }: Draft): boolean => tenders.length > 0 || charge !== undefined;
