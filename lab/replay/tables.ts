/** Catalogues and deliveries as tables: what `holdfast import` takes besides invoices. */
import type { ProductInput } from '#contracts/products';
import { lineTotalMinor, parseDecimal } from './decimal.ts';
import { InputFileError, readTable, type TableRecord } from './read.ts';

export type TableKind = 'invoices' | 'products' | 'stock';

/** A line that can't be used, and why. */
export interface TableReject {
  readonly line: number;
  readonly message: string;
}

export type TableLine<T> = { readonly line: number; readonly value: T } | TableReject;

export interface StockLine {
  readonly sku: string;
  readonly quantity: number;
}

/** What a file holds is seen in its columns. */
export async function tableKindOf(path: string): Promise<TableKind> {
  for await (const { values, damage } of readTable(path)) {
    if (damage !== undefined) continue;
    const has = (...names: string[]) => names.some((name) => name in values);
    if (has('invoice', 'invoiceno', 'invoicenumber')) return 'invoices';
    if (has('variants') || (has('name') && has('sku', 'code'))) return 'products';
    if (has('sku', 'code', 'stockcode') && has('quantity')) return 'stock';
    throw new InputFileError(unknownKind(path));
  }
  throw new InputFileError(`${path} has no line that can be read: nothing to bring`);
}

const unknownKind = (path: string) =>
  `${path}: neither invoices (invoice,code,quantity,at,unitPrice), products (sku,name,price) nor stock (sku,quantity): ` +
  'see docs/guides/import.md';

/** Whole products as the shop exports them, or one line a product: sku, name, price, currency, gtin, category, description. */
export async function* readProducts(path: string, currency: string): AsyncGenerator<TableLine<ProductInput>> {
  for await (const record of readTable(path)) {
    if (record.damage !== undefined) yield { line: record.line, message: record.damage };
    else if ('variants' in record.values) yield { line: record.line, value: record.values as ProductInput };
    else yield flatProduct(record, currency);
  }
}

function flatProduct({ line, values }: TableRecord, currency: string): TableLine<ProductInput> {
  const field = (...names: string[]) => textOf(names.map((name) => values[name]).find((value) => value !== undefined));
  const price = field('price', 'unitprice');
  const parsed = parseDecimal(price);
  const amountMinor = parsed && lineTotalMinor(1, parsed);
  if (price !== '' && (amountMinor === undefined || amountMinor < 0)) return { line, message: `price "${price}"` };
  const [gtin, category, description] = [field('gtin', 'barcode', 'ean'), field('category'), field('description')];
  const prices = amountMinor === undefined ? [] : [{ currency: field('currency') || currency, amountMinor }];
  const variant = { sku: field('sku', 'code'), options: {}, prices, ...(gtin === '' ? {} : { gtin }) };
  const value: ProductInput = {
    name: field('name'),
    status: prices.length > 0 ? 'active' : 'draft',
    variants: [variant],
    ...(category === '' ? {} : { categories: [category] }),
    ...(description === '' ? {} : { description }),
  };
  return { line, value };
}

const QUANTITY_MAX = 1_000_000;
const SKU = /^[\x21-\x7e]{1,64}$/;

/** A delivery: sku, quantity. */
export async function* readStockLines(
  path: string,
  onDigest: (digest: string) => void = () => {},
): AsyncGenerator<TableLine<StockLine>> {
  for await (const { line, values, damage } of readTable(path, { onDigest })) {
    const sku = textOf(values['sku'] ?? values['code'] ?? values['stockcode']);
    const quantity = Number(textOf(values['quantity']) || Number.NaN);
    if (damage !== undefined) yield { line, message: damage };
    else if (!SKU.test(sku)) yield { line, message: `sku "${sku}"` };
    else if (!Number.isInteger(quantity) || quantity < 1 || quantity > QUANTITY_MAX) {
      yield { line, message: `quantity "${textOf(values['quantity'])}": whole, from 1 to ${QUANTITY_MAX}` };
    } else yield { line, value: { sku, quantity } };
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
}
