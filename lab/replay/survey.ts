/**
 * The first look at the files, before anything is sent: are they readable to the end, what do they sum to, how many
 * invoices hold how many rows, and how much stock does each file take out?
 */
import { basename } from 'node:path';
import { classifyInvoice } from './classify.ts';
import { type Decimal, decimalText, lineTotalMinor, parseDecimal } from './decimal.ts';
import { addRawRow, createFileSums, type FileSums } from './file-sums.ts';
import { countRow, type GroupCounts, groupInvoices } from './group.ts';
import type { ProductUpsert } from './operations.ts';
import { InputFileError, readRows } from './read.ts';
import { parseRow, type Row } from './row.ts';

/** Different names and prices counted a SKU; later ones are ignored. */
const VARIANTS_MAX = 32;
const NAME_LENGTH_MAX = 300;

export interface FileSurvey {
  readonly path: string;
  readonly file: string;
  readonly digest: string;
  readonly sums: FileSums;
  readonly invoices: number;
  /** The earliest date in the file: files are replayed in this order. Empty for a file without a good row. */
  readonly firstAt: string;
  readonly counts: GroupCounts;
  /** Units that sales and negative corrections take out, by SKU. */
  readonly taken: ReadonlyMap<string, number>;
  readonly products: readonly Omit<ProductUpsert, 'currency'>[];
}

/**
 * Surveys all files, leaves out those whose content was given before and sorts the rest by their first date, so that
 * the order of the arguments does not matter. Reads each file twice.
 */
export async function surveyFiles(
  paths: readonly string[],
  signal?: AbortSignal,
  onLine: () => void = () => {},
): Promise<{ files: FileSurvey[]; duplicates: string[] }> {
  if (paths.length === 0) throw new InputFileError('no files to read: name at least one CSV or NDJSON file');
  const files: FileSurvey[] = [];
  const duplicates: string[] = [];
  for (const path of paths) {
    const content = await surveyContent(path, onLine, signal);
    if (files.some(({ digest }) => digest === content.digest)) duplicates.push(path);
    else files.push({ ...content, ...(await surveyNeeds(path, content.counts, signal)) });
  }
  files.sort((left, right) => compare(left.firstAt, right.firstAt) || compare(left.digest, right.digest));
  return { files, duplicates };
}

async function surveyContent(
  path: string,
  onLine: () => void,
  signal?: AbortSignal,
): Promise<Omit<FileSurvey, 'taken' | 'products'>> {
  let digest = '';
  let firstAt = '';
  const counts: GroupCounts = new Map();
  const sums = createFileSums();
  const onDigest = (value: string) => {
    digest = value;
  };
  for await (const raw of readRows(path, { onDigest })) {
    signal?.throwIfAborted();
    addRawRow(sums, raw);
    onLine();
    const row = parseRow(raw);
    if ('type' in row) continue;
    countRow(counts, row);
    if (firstAt === '' || row.at < firstAt) firstAt = row.at;
  }
  return { path, file: basename(path), digest, invoices: counts.size, firstAt, counts, sums };
}

async function surveyNeeds(
  path: string,
  counts: GroupCounts,
  signal?: AbortSignal,
): Promise<Pick<FileSurvey, 'taken' | 'products'>> {
  const taken = new Map<string, number>();
  const products = new Map<string, Variants>();
  for await (const part of groupInvoices(readRows(path), counts)) {
    signal?.throwIfAborted();
    if (!('invoice' in part)) continue;
    for (const { row, kind, class: rowClass } of classifyInvoice(part.invoice).rows) {
      if (kind !== 'goods') continue;
      noteVariant(products, row);
      const out = rowClass === 'sold' ? row.quantity : rowClass === 'adjusted' ? Math.max(0, -row.quantity) : 0;
      if (out > 0) taken.set(row.sku, (taken.get(row.sku) ?? 0) + out);
    }
  }
  return { taken, products: [...products].map(([sku, variants]) => productOf(sku, variants)).sort(bySku) };
}

interface Variants {
  readonly names: Map<string, number>;
  readonly prices: Map<string, number>;
}

/** Names and prices count only where the shop charged: a stock correction's description is "damaged", not a name. */
function noteVariant(products: Map<string, Variants>, row: Row): void {
  let variants = products.get(row.sku);
  if (variants === undefined) {
    variants = { names: new Map(), prices: new Map() };
    products.set(row.sku, variants);
  }
  if (row.unitPrice.units <= 0n) return;
  increment(variants.names, row.description);
  increment(variants.prices, decimalText(row.unitPrice));
}

function increment(counts: Map<string, number>, value: string): void {
  const count = counts.get(value);
  if (value === '' || (count === undefined && counts.size >= VARIANTS_MAX)) return;
  counts.set(value, (count ?? 0) + 1);
}

/** The name and the price that most lines carry; the first seen where two are equal. */
function productOf(sku: string, { names, prices }: Variants): Omit<ProductUpsert, 'currency'> {
  const price = mostCommon(prices);
  const priceMinor = price === undefined ? null : (lineTotalMinor(1, parseDecimal(price) as Decimal) ?? null);
  return { sku, name: (mostCommon(names) ?? sku).slice(0, NAME_LENGTH_MAX), kind: 'goods', priceMinor };
}

function mostCommon(counts: ReadonlyMap<string, number>): string | undefined {
  let best: string | undefined;
  let bestCount = 0;
  for (const [value, count] of counts) {
    if (count > bestCount) [best, bestCount] = [value, count];
  }
  return best;
}

function bySku(left: { sku: string }, right: { sku: string }): number {
  return compare(left.sku, right.sku);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
