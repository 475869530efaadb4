import ReceiptPrinterEncoder from '@point-of-sale/receipt-printer-encoder';
import type { Row } from './receipt.ts';

type Options = NonNullable<ConstructorParameters<typeof ReceiptPrinterEncoder>[0]>;

/** Letters in a line of 80 mm paper. */
const columnsDefault = 42;

/**
 * Where letters are looked for, in this order. Not left to the library, which finds the euro in Turkish PC857 first, where
 * many printers have none: PC858 and WPC1252 have it since there is one.
 */
const codePages: Options['codepageCandidates'] = [
  'cp437',
  'cp858',
  'windows1252',
  'cp852',
  'cp866',
  'windows1250',
  'windows1251',
  'windows1253',
  'windows1254',
  'windows1255',
  'windows1256',
  'windows1257',
  'windows1258',
];

/**
 * The rows as ESC/POS, the language of nearly all receipt printers, cut at the end. `opensDrawer`: with the pulse for the
 * cash drawer that hangs on the printer.
 */
export function escPosOf(rows: readonly Row[], opensDrawer = false, columns = columnsDefault): Uint8Array {
  const printer = new ReceiptPrinterEncoder({
    language: 'esc-pos',
    columns,
    feedBeforeCut: 4,
    codepageCandidates: codePages,
  });
  printer.initialize().codepage('auto');
  for (const row of rows) {
    if (row.kind === 'rule') printer.rule();
    else if (row.kind === 'bars') bars(printer, row.digits);
    else if (row.kind === 'pair') {
      const [left, right] = [plain(row.left), plain(row.right)];
      // What is wider than its column is broken, and an amount in the middle of its digits.
      const rightWidth = Math.max(rightWidthMin, right.length + 1);
      printer.bold(row.isStrong === true);
      printer.table(
        [
          { width: columns - rightWidth, align: 'left' },
          { width: rightWidth, align: 'right' },
        ],
        [[left, right]],
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

/** Letters: amounts stand apart from what is before them. */
const rightWidthMin = 14;

/**
 * Set C takes its values as bytes, two digits each; GS k wants to be told so by `{C`. Width 1 is two dots a module, so forty
 * digits are 510 dots wide; one more would be 765, and a printer leaves out what is wider than its paper (512 or 576).
 */
function bars(printer: ReceiptPrinterEncoder, digits: string): void {
  const values = [...digits.matchAll(/\d\d/g)].map(([two]) => String.fromCharCode(Number(two)));
  printer.align('center').barcode(`{C${values.join('')}`, 'code128', { height: 60, width: 1, text: false });
  for (const half of digits.match(/\d{1,20}/g) ?? []) printer.line(half.replaceAll(/(\d{5})(?=\d)/g, '$1 '));
  printer.align('left');
}

/** Currencies whose signs no printer has, by sign: by their code (ISO 4217) they can still be told. */
const codeOfSign: Readonly<Record<string, string>> = {
  '₡': 'CRC',
  '₦': 'NGN',
  '₩': 'KRW',
  '₭': 'LAK',
  '₮': 'MNT',
  '₱': 'PHP',
  '₲': 'PYG',
  '₴': 'UAH',
  '₵': 'GHS',
  '₸': 'KZT',
  '₹': 'INR',
  '₺': 'TRY',
  '₼': 'AZN',
  '₽': 'RUB',
  '₾': 'GEL',
  '฿': 'THB',
  '৳': 'BDT',
};
const signs = new RegExp(`([${Object.keys(codeOfSign).join('')}])(?=(\\d)?)`, 'g');

/** Printers know no narrow or unbreakable spaces, no marks of direction, and few the digits and separators of Arabic. */
const plain = (text: string): string =>
  text
    .replaceAll(/[\u00a0\u202f\u2009]/g, ' ')
    .replaceAll(/[\u200e\u200f\u061c\u2066-\u2069]/g, '')
    .replaceAll('\uffe5', '¥')
    .replaceAll(signs, (sign, _, digit) => `${codeOfSign[sign]}${digit === undefined ? '' : ' '}`)
    .replaceAll('\u066b', '.')
    .replaceAll('\u066c', ',')
    .replaceAll(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => String((digit.codePointAt(0) as number) & 0x0f));
