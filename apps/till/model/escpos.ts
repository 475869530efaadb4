import ReceiptPrinterEncoder from '@point-of-sale/receipt-printer-encoder';
import type { Row } from './receipt.ts';

/** Letters in a line of 80 mm paper. */
const columnsDefault = 42;

/**
 * The rows as ESC/POS, the language of nearly all receipt printers, cut at the end. `opensDrawer`: with the pulse for the
 * cash drawer that hangs on the printer.
 */
export function escPosOf(rows: readonly Row[], opensDrawer = false, columns = columnsDefault): Uint8Array {
  const printer = new ReceiptPrinterEncoder({ language: 'esc-pos', columns, feedBeforeCut: 4 });
  printer.initialize().codepage('auto');
  for (const row of rows) {
    if (row.kind === 'rule') printer.rule();
    else if (row.kind === 'bars') bars(printer, row.digits);
    else if (row.kind === 'pair') {
      printer.bold(row.isStrong === true);
      printer.table(
        [
          { width: columns - amountWidth, align: 'left' },
          { width: amountWidth, align: 'right' },
        ],
        [[plain(row.left), plain(row.right)]],
      );
      printer.bold(false);
    } else {
      const isTitle = row.style === 'title';
      printer
        .align(row.style === undefined ? 'left' : 'center')
        .bold(isTitle)
        .line(plain(row.text));
      printer.bold(false).align('left');
    }
  }
  if (opensDrawer) printer.pulse();
  return printer.cut().encode();
}

const amountWidth = 14;

/** Set C takes its values as bytes, two digits each; GS k wants to be told so by `{C`. */
function bars(printer: ReceiptPrinterEncoder, digits: string): void {
  const values = [...digits.matchAll(/\d\d/g)].map(([two]) => String.fromCharCode(Number(two)));
  printer.align('center').barcode(`{C${values.join('')}`, 'code128', { height: 60, width: 2, text: false });
  printer.line(digits.replaceAll(/(\d{8})(?=\d)/g, '$1 ')).align('left');
}

/** Printers know no narrow or unbreakable spaces, and no marks of direction. */
const plain = (text: string): string =>
  text.replaceAll(/[\u00a0\u202f\u2009]/g, ' ').replaceAll(/[\u200e\u200f\u061c\u2066-\u2069]/g, '');
