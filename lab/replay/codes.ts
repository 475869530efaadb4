/**
 * What a code means. Goods have stock; everything else is money only. Files with a `kind` column say it themselves;
 * for the retail files it is told from the code, so that codes nobody has seen yet still land on the right side.
 */

/** `goods` moves stock. The rest never does. */
export type LineKind =
  | 'goods'
  | 'postage'
  | 'discount'
  | 'manual'
  | 'sample'
  | 'voucher'
  | 'bank-charges'
  | 'other'
  | 'marketplace-fee'
  | 'commission'
  | 'bad-debt'
  | 'correction'
  | 'test';

const KNOWN_CODES: Readonly<Record<string, LineKind>> = {
  POST: 'postage',
  DOT: 'postage',
  C2: 'postage',
  C3: 'postage',
  D: 'discount',
  M: 'manual',
  S: 'sample',
  PADS: 'other',
  BANK_CHARGES: 'bank-charges',
  AMAZONFEE: 'marketplace-fee',
  CRUK: 'commission',
  B: 'bad-debt',
  ADJUST: 'correction',
  ADJUST2: 'correction',
};

const KINDS: ReadonlySet<string> = new Set([...Object.values(KNOWN_CODES), 'goods', 'voucher', 'test']);

/** Money between the shop and others, or between its own books: no customer owes it, so it never enters an order. */
const JOURNAL_KINDS: ReadonlySet<LineKind> = new Set(['marketplace-fee', 'commission', 'bad-debt', 'correction']);

export function isJournalKind(kind: LineKind): boolean {
  return JOURNAL_KINDS.has(kind);
}

/** The kind of a line; `undefined` where the file states one that does not exist. */
export function kindOf(row: { sku: string; kind: string; kindStated: boolean }): LineKind | undefined {
  if (row.kindStated) {
    if (row.kind === '') return 'goods';
    return KINDS.has(row.kind) ? (row.kind as LineKind) : undefined;
  }
  return kindOfCode(row.sku);
}

/**
 * Goods carry a number of at least three digits (85123A, DCGS0076) or the dotcom shop's prefix (DCGSSGIRL). An unknown
 * word is money only: inventing stock for a bank's fee is worse than keeping no stock of one odd article.
 */
export function kindOfCode(sku: string): LineKind {
  const known = KNOWN_CODES[sku];
  if (known !== undefined) return known;
  if (/^GIFT(_|$)/.test(sku)) return 'voucher';
  if (/^TEST\d*$/.test(sku)) return 'test';
  return /\d{3}/.test(sku) || sku.startsWith('DCGS') ? 'goods' : 'other';
}

export type AdjustmentReason = 'damaged' | 'lost' | 'found' | 'correction' | 'foreign-return';

const DAMAGED = /damag|damges|wet|rust|broke|crack|smash|crush|mould|faulty|throw|dirty|unsal|stain|ripped|rotting/i;
const LOST = /lost|missing|\bmia\b|mystery|not rcvd|can't find|cant find|stolen/i;
const FOUND = /found|returned|rcvd|received/i;

/** Why stock was corrected, as far as the description tells; the words themselves stay as the adjustment's note. */
export function adjustmentReason(description: string, quantity: number): AdjustmentReason {
  if (quantity > 0) return FOUND.test(description) ? 'found' : 'correction';
  if (DAMAGED.test(description)) return 'damaged';
  return LOST.test(description) ? 'lost' : 'correction';
}
