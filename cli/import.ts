import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ProductInput } from '#contracts/products';
import { readProducts, readStockLines, type StockLine, type TableReject, tableKindOf, withRetry } from '#lab/replay';
import { type ExitCode, exitCodes } from './failure.ts';
import {
  lookFirst,
  type ReplayCommandOptions,
  replayInvoices,
  requireApart,
  tell,
  type Visit,
  withShop,
} from './replay.ts';
import { createScreen } from './screen.ts';

/** Lines of one receipt. Smaller ones are booked sooner, larger ones cost less. */
const receiptLinesMax = 1_000;

interface ProductsReport {
  lines: number;
  created: number;
  changed: number;
  unchanged: number;
  rejected: number;
}

interface StockReport {
  lines: number;
  units: number;
  rejected: number;
}

/** Brings products, stock and invoices to a running shop, in this order, whatever the order of the files. */
export async function importCommand(
  paths: readonly string[],
  options: Omit<ReplayCommandOptions, 'mayStart'>,
): Promise<ExitCode> {
  const screen = createScreen(options.json);
  const kinds = await lookFirst(() => {
    requireApart(options.rejects, paths);
    if (options.rejects !== undefined) requireApart(tableRejectsOf(options.rejects), paths);
    return Promise.all(paths.map(async (path) => ({ path, kind: await tableKindOf(path) })));
  });
  return withShop({ ...options, mayStart: false }, async (visit) => {
    const ofKind = (wanted: string) => kinds.filter(({ kind }) => kind === wanted).map(({ path }) => path);
    const rejects = createTableRejects(tableRejectsOf(visit.rejectsPath));
    const products: ProductsReport = { lines: 0, created: 0, changed: 0, unchanged: 0, rejected: 0 };
    for (const path of ofKind('products')) await importProducts(path, options.currency, visit, products, rejects.write);
    const stock: StockReport = { lines: 0, units: 0, rejected: 0 };
    for (const path of ofKind('stock')) await importStock(path, visit, stock, rejects.write);
    visit.progress.end();
    const rejected = products.rejected + stock.rejected;
    const tables = { products, stock, ...(rejected > 0 ? { tableRejectsPath: rejects.path } : {}) };
    screen.say(renderTables(tables));
    const invoices = ofKind('invoices');
    if (invoices.length > 0) return tell(await replayInvoices(invoices, options, visit), screen, visit, tables);
    screen.result({ ok: true, ...tables });
    return exitCodes.ok;
  });
}

/** Invoices write their own rejects; what the tables reject goes to a file beside it. */
const tableRejectsOf = (rejectsPath: string): string => rejectsPath.replace(/(\.ndjson)?$/, '-tables.ndjson');

type WriteReject = (file: string, reject: TableReject) => void;

async function importProducts(
  path: string,
  currency: string,
  { shop, progress, signal }: Visit,
  report: ProductsReport,
  reject: WriteReject,
): Promise<void> {
  /** Lines of the file by the order in which they were sent: the shop counts what it gets. */
  const sent: number[] = [];
  async function* good(): AsyncGenerator<ProductInput> {
    for await (const line of readProducts(path, currency)) {
      report.lines += 1;
      progress.update({ label: 'products', done: report.lines, total: 0, unit: 'lines' });
      if ('value' in line) {
        sent.push(line.line);
        yield line.value;
      } else {
        report.rejected += 1;
        reject(path, line);
      }
    }
  }
  const reply = await shop.importProducts(good(), signal);
  report.created += reply.created;
  report.changed += reply.changed;
  report.unchanged += reply.unchanged;
  report.rejected += reply.rejected;
  for (const { line, code, reason } of reply.rejections) {
    reject(path, { line: sent[line - 1] ?? line, message: `${code}: ${reason}` });
  }
  if (reply.rejectionsOmitted > 0) {
    reject(path, { line: 0, message: `${reply.rejectionsOmitted} more lines were refused and not named` });
  }
}

/** Keyed by the file's content: the same delivery is booked once, however often and under whatever name it is imported. */
async function importStock(
  path: string,
  { shop, world, progress, signal }: Visit,
  report: StockReport,
  reject: WriteReject,
) {
  let digest = '';
  const onDigest = (value: string) => {
    digest = value;
  };
  for await (const _line of readStockLines(path, onDigest)) signal.throwIfAborted();
  let batch: StockLine[] = [];
  let number = 0;
  const book = async () => {
    if (batch.length === 0) return;
    signal.throwIfAborted();
    number += 1;
    const [key, lines] = [`stock/${digest}#${number}`, batch];
    await withRetry(() => shop.receive(key, lines, signal), { ...world, signal });
    report.units += batch.reduce((sum, { quantity }) => sum + quantity, 0);
    progress.update({ label: 'stock', done: report.lines, total: 0, unit: 'lines' });
    batch = [];
  };
  for await (const line of readStockLines(path)) {
    report.lines += 1;
    if ('value' in line) batch.push(line.value);
    else {
      report.rejected += 1;
      reject(path, line);
    }
    if (batch.length >= receiptLinesMax) await book();
  }
  await book();
}

function createTableRejects(path: string): { readonly path: string; readonly write: WriteReject } {
  let isNew = true;
  return {
    path,
    write(file, { line, message }) {
      if (isNew) {
        mkdirSync(dirname(path), { recursive: true });
        rmSync(path, { force: true });
        isNew = false;
      }
      appendFileSync(path, `${JSON.stringify({ file, line, message })}\n`);
    },
  };
}

function renderTables(tables: { products: ProductsReport; stock: StockReport; tableRejectsPath?: string }): string {
  const { products, stock, tableRejectsPath } = tables;
  const lines: string[] = [];
  if (products.lines > 0) {
    const { created, changed, unchanged, rejected } = products;
    lines.push(`products   ${created} created, ${changed} changed, ${unchanged} unchanged, ${rejected} rejected`);
  }
  if (stock.lines > 0)
    lines.push(`stock      ${stock.units} units in ${stock.lines} lines, ${stock.rejected} rejected`);
  if (tableRejectsPath !== undefined) lines.push(`rejected   see ${tableRejectsPath}`);
  return lines.join('\n');
}
