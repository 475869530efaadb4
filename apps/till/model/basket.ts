import type { CatalogueItem, SaleEntry, Tender } from '#contracts/tills';

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
  /** A card payment that was asked for and whose end is not known. */
  readonly charge?: { readonly amountMinor: number; readonly method: string };
  /** Cash that was handed over for the last tender of cash. */
  readonly givenMinor?: number;
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

/** Whether money has changed hands, or may have: what is in the basket then stays as it is. */
export const isBeingPaid = ({ tenders, charge }: Draft): boolean => tenders.length > 0 || charge !== undefined;
