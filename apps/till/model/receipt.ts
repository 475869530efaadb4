import type { Report, ReturnEntry, SaleEntry, Till } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { numberOf } from './ids.ts';
import { tenderName } from './words.ts';

/** What stands on paper, row by row: the screen, the browser’s print and the receipt printer show the same rows. */
export type Row =
  | { readonly kind: 'text'; readonly text: string; readonly style?: 'title' | 'small' }
  | { readonly kind: 'pair'; readonly left: string; readonly right: string; readonly isStrong?: boolean }
  | { readonly kind: 'rule' }
  /** Digits as Code 128. */
  | { readonly kind: 'bars'; readonly digits: string };

/** How amounts and times are written here. */
export interface Words {
  readonly money: (amountMinor: number) => string;
  readonly moment: (timestamp: string) => string;
}

const text = (value: string, style?: 'title' | 'small'): Row => ({
  kind: 'text',
  text: value,
  ...(style ? { style } : {}),
});
const pair = (left: string, right: string, isStrong = false): Row => ({ kind: 'pair', left, right, isStrong });
const rule: Row = { kind: 'rule' };
/** Nothing is not less than nothing: −0 would be written as -€0.00. */
const less = (amountMinor: number): number => (amountMinor === 0 ? 0 : -amountMinor);

export interface SaleReceipt {
  readonly till: Pick<Till, 'name'>;
  readonly cashier: string | undefined;
  readonly entry: Pick<SaleEntry, 'saleId' | 'at' | 'tenders'>;
  readonly totals: Totals;
  readonly givenMinor?: number | undefined;
}

export function saleRows({ till, cashier, entry, totals, givenMinor }: SaleReceipt, { money, moment }: Words): Row[] {
  const cash = entry.tenders.find(({ kind }) => kind === 'cash')?.amountMinor ?? 0;
  return [
    text(till.name, 'title'),
    text(`${moment(entry.at)}${cashier === undefined ? '' : ` · ${cashier}`}`, 'small'),
    rule,
    ...totals.lines.flatMap(({ name, quantity, unitPriceMinor, totalMinor }) => [
      text(name),
      pair(`  ${quantity} × ${money(unitPriceMinor)}`, money(totalMinor)),
    ]),
    rule,
    ...(totals.discountMinor > 0 ? [pair('Goods', money(totals.subtotalMinor))] : []),
    ...totals.discounts.map(({ name, amountMinor }) => pair(name, money(less(amountMinor)))),
    ...totals.taxes.filter(({ included }) => !included).map((tax) => pair(taxText(tax), money(tax.amountMinor))),
    pair('Total', money(totals.totalMinor), true),
    ...totals.taxes
      .filter(({ included }) => included)
      .map((tax) => pair(`of it ${taxText(tax)}`, money(tax.amountMinor))),
    rule,
    ...entry.tenders.map((tender) => {
      const given = tender.kind === 'cash' ? givenMinor : undefined;
      return pair(tenderName(entry.tenders, tender), money(given ?? tender.amountMinor));
    }),
    ...(givenMinor !== undefined && givenMinor > cash ? [pair('Change', money(givenMinor - cash))] : []),
    { kind: 'bars', digits: numberOf(entry.saleId) },
    text('Bring this receipt to return something.', 'small'),
  ];
}

const taxText = ({ name, ratePpm }: { name: string; ratePpm: number }): string => `${name} ${ratePpm / 10_000} %`;

export function returnRows(
  till: Pick<Till, 'name'>,
  entry: ReturnEntry,
  names: ReadonlyMap<string, string>,
  { money, moment }: Words,
): Row[] {
  return [
    text(till.name, 'title'),
    text(`Return · ${moment(entry.at)}`, 'small'),
    rule,
    ...entry.lines.map(({ sku, quantity }) => pair(names.get(sku) ?? sku, `${quantity}`)),
    rule,
    ...entry.tenders.map(({ kind, amountMinor }) =>
      pair(kind === 'card' ? 'Back to the card' : 'Given back in cash', money(amountMinor), true),
    ),
    { kind: 'bars', digits: numberOf(entry.saleId) },
  ];
}

export function reportRows(till: Pick<Till, 'name'>, report: Report, { money, moment }: Words): Row[] {
  const { cash } = report;
  return [
    text(`${report.kind} report`, 'title'),
    text(`${till.name}${report.cashier === undefined ? '' : ` · ${report.cashier}`}`, 'small'),
    ...(report.openedAt === undefined ? [] : [text(`Opened ${moment(report.openedAt)}`, 'small')]),
    ...(report.closedAt === undefined ? [] : [text(`Closed ${moment(report.closedAt)}`, 'small')]),
    rule,
    pair(`Sales (${report.sales})`, money(report.salesMinor)),
    pair('Discounts in them', money(report.discountMinor)),
    pair(`Returns (${report.returns})`, money(less(report.refundsMinor))),
    pair('Turnover', money(report.salesMinor - report.refundsMinor), true),
    ...report.taxes.map((tax) => pair(`${taxText(tax)} of sales`, money(tax.amountMinor))),
    rule,
    pair('Card', money(report.cardMinor)),
    pair('Float', money(cash.floatMinor)),
    pair('Cash sales', money(cash.salesMinor)),
    pair('Cash given back', money(less(cash.refundsMinor))),
    pair('Put in', money(cash.inMinor)),
    pair('Taken out', money(less(cash.outMinor))),
    pair('Should be in the drawer', money(cash.expectedMinor), true),
    ...(cash.countedMinor === undefined ? [] : [pair('Counted', money(cash.countedMinor))]),
    ...(cash.differenceMinor === undefined ? [] : [pair('Difference', money(cash.differenceMinor), true)]),
  ];
}
