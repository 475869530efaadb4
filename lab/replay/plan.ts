/** All operations of a set of files, lazily, in a stated order: per file products, receipts, then invoice by invoice. */
import { readAhead } from './ahead.ts';
import { type ClassifiedInvoice, classifyInvoice, type Invoice } from './classify.ts';
import { groupInvoices } from './group.ts';
import type { InvoiceBooks } from './invoice.ts';
import type { Operation, ReceiveStock, UpsertProducts } from './operations.ts';
import { readRows } from './read.ts';
import { rejectRow } from './row.ts';
import type { FileSurvey } from './survey.ts';

export const PRODUCTS_PER_BATCH = 200;
export const RECEIPT_LINES_PER_BATCH = 200;

/** What the shop's contracts take in one line; more is several lines. */
const RECEIPT_LINE_QUANTITY_MAX = 1_000_000;

/** A line takes about 1 KB. */
const LINES_AHEAD_MAX = 50_000;

/** Change it when the rules change what a file means: progress made under other rules is then not continued. */
export const RULES_VERSION = 1;

const REPEATED = 'another file of this run holds the same lines of this invoice; they are booked once';

export interface PlanOptions {
  readonly files: readonly FileSurvey[];
  readonly books: InvoiceBooks;
  readonly currency: string;
  /** Sees each invoice before its operations: for the tally. */
  readonly onInvoice?: (invoice: ClassifiedInvoice) => void;
}

export async function* planOperations(options: PlanOptions): AsyncGenerator<Operation> {
  for (const file of options.files) yield* planFile(file, options);
}

async function* planFile(file: FileSurvey, options: PlanOptions): AsyncGenerator<Operation> {
  const parts = readAhead(groupInvoices(readRows(file.path), file.counts), {
    weightOf: (part) => ('reject' in part ? 1 : part.invoice.rows.length),
    weightMax: LINES_AHEAD_MAX,
  });
  try {
    yield* productsOf(file, options.currency);
    yield* receiptsOf(file);
    // Nothing is sold before it is on the shelf.
    yield { type: 'barrier' };
    for await (const part of parts) yield* 'reject' in part ? [part.reject] : operationsOf(part.invoice, options);
  } finally {
    await parts.close();
  }
}

function* operationsOf(whole: Invoice, { books, onInvoice }: PlanOptions): Generator<Operation> {
  const invoice = classifyInvoice(whole);
  if (invoice.rows.length > 0 && !books.admit(invoice)) {
    yield* whole.rows.map(({ raw }) => rejectRow(raw, 'repeated-invoice', REPEATED));
    return;
  }
  onInvoice?.(invoice);
  yield* invoice.rejects;
  if (invoice.rows.length > 0) yield* books.operationsOf(invoice);
}

function* productsOf(file: FileSurvey, currency: string): Generator<UpsertProducts> {
  for (const [index, products] of batches(file.products, PRODUCTS_PER_BATCH)) {
    const priced = products.map((product) => ({ ...product, currency }));
    yield { type: 'products', key: `products/${file.digest}/${index}`, products: priced };
  }
}

/** Keyed by the file's content: the same file is received once, however often and under whatever name it is replayed. */
function* receiptsOf(file: FileSurvey): Generator<ReceiveStock> {
  const lines = [...file.taken].flatMap(([sku, quantity]) => receiptLines(sku, quantity));
  lines.sort((left, right) => (left.sku < right.sku ? -1 : left.sku > right.sku ? 1 : 0));
  for (const [index, batch] of batches(lines, RECEIPT_LINES_PER_BATCH)) {
    yield { type: 'receipt', key: `receipt/${file.digest}/${index}`, occurredAt: file.firstAt, lines: batch };
  }
}

function receiptLines(sku: string, quantity: number): { sku: string; quantity: number }[] {
  const lines = [];
  for (let left = quantity; left > 0; left -= RECEIPT_LINE_QUANTITY_MAX) {
    lines.push({ sku, quantity: Math.min(left, RECEIPT_LINE_QUANTITY_MAX) });
  }
  return lines;
}

function* batches<T>(items: readonly T[], size: number): Generator<[number, T[]]> {
  for (let start = 0; start < items.length; start += size) yield [start / size, items.slice(start, start + size)];
}
