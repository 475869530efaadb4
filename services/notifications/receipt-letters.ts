import { percentText } from '#contracts/pricing';
import type { TillEvent } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import { composeLetter, type Letter } from './templates.ts';
import { formatMoney } from './text.ts';

export const receiptLetters: readonly string[] = ['till.receipt-wanted'];

/** A receipt as it would come out of the till’s printer. */
export function writeReceipt({ tillName, saleId, soldAt, currency, totals, tenders = [] }: ReceiptData): Letter {
  const money = (amountMinor: number) => formatMoney(amountMinor, currency);
  return composeLetter({
    subject: `Your receipt from ${tillName}`,
    blocks: [
      `Thank you for buying at ${tillName}, ${soldAt.slice(0, 16).replace('T', ' ')} UTC.`,
      [
        ...totals.lines.map(({ name, quantity, totalMinor }) => [`${quantity} × ${name}`, money(totalMinor)] as const),
        ...totals.discounts.map(({ name, amountMinor }) => [name, money(-amountMinor)] as const),
        ['Total', money(totals.totalMinor)],
        ...totals.taxes.map(
          ({ name, ratePpm, included, amountMinor }) =>
            [`${included ? 'of it ' : ''}${name} ${percentText(ratePpm)}`, money(amountMinor)] as const,
        ),
      ],
      tenders.map(({ kind, amountMinor }) => [kind === 'card' ? 'By card' : 'In cash', money(amountMinor)] as const),
      `To return something, show this number: ${saleId}`,
    ],
  });
}

export type ReceiptData = TillEvent & { readonly email: string; readonly totals: Totals };
