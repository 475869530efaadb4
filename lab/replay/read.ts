/**
 * Reads an input file as a stream of raw rows in bounded memory: CSV or NDJSON, gzip or plain, with or without a
 * byte-order mark. The format is seen in the content, never guessed from the name.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type CsvError, type Info, parse } from 'csv-parse';
import type { RawRow } from './row.ts';

/** A record longer than this is a quote that was never closed, not a line of an invoice. */
const RECORD_BYTES_MAX = 64 * 1024;
const SNIFF_BYTES = 2;

type Field = 'invoice' | 'code' | 'description' | 'quantity' | 'at' | 'unitPrice' | 'customer' | 'country' | 'kind';

/** Column names in lower case without spaces and underscores; the first is the documented one. */
const COLUMNS: Readonly<Record<Field, readonly string[]>> = {
  invoice: ['invoice', 'invoiceno', 'invoicenumber'],
  code: ['code', 'stockcode', 'sku'],
  description: ['description', 'name'],
  quantity: ['quantity'],
  at: ['at', 'invoicedate', 'date', 'placedat'],
  unitPrice: ['unitprice', 'price'],
  customer: ['customer', 'customerid'],
  country: ['country'],
  kind: ['kind'],
};
const REQUIRED: readonly Field[] = ['invoice', 'code', 'quantity', 'at', 'unitPrice'];

/** The file as a whole can't be used: nothing of it was booked. */
export class InputFileError extends Error {
  override readonly name = 'InputFileError';
}

export interface ReadOptions {
  /** Receives the SHA-256 of the uncompressed content (24 hex digits) once the end is reached. */
  readonly onDigest?: (digest: string) => void;
}

/** Yields every record after the header. Throws `InputFileError` for what makes the whole file unusable. */
export function readRows(path: string, options: ReadOptions = {}): AsyncGenerator<RawRow> {
  return readFile(path, options, readText);
}

/** Opens a file, unpacks it and hands its text to `read`; whatever breaks becomes an `InputFileError`. */
async function* readFile<T>(
  path: string,
  options: ReadOptions,
  read: (text: Readable, file: string) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const file = basename(path);
  const zipped = await isGzip(path);
  const hash = createHash('sha256');
  const check = createTextCheck(file);
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(check(chunk), chunk);
    },
    flush: (done) => done(check()),
  });
  const source = createReadStream(path);
  const stages = zipped ? [source, createGunzip(), tap] : [source, tap];
  // The reader below sees a failure of any stage through `tap`, which `pipeline` destroys with the same error.
  const flowing = pipeline(stages as [Readable, Transform]).catch(() => {});
  try {
    yield* read(tap, file);
    options.onDigest?.(hash.digest('hex').slice(0, 24));
  } catch (error) {
    throw fileError(file, error);
  } finally {
    tap.destroy();
    source.destroy();
    await flowing;
  }
}

/** Told every chunk and then the end. In another charset names would come into the shop with holes, and nobody would know. */
function createTextCheck(file: string): (chunk?: Buffer) => InputFileError | null {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  const refusal = (cause?: unknown) =>
    new InputFileError(`${file} is not text in UTF-8: convert it first, as with: iconv -f WINDOWS-1252 -t UTF-8`, {
      cause,
    });
  return (chunk) => {
    // Text in UTF-16 is full of them.
    if (chunk?.includes(0)) return refusal();
    try {
      utf8.decode(chunk, { stream: chunk !== undefined });
      return null;
    } catch (cause) {
      return refusal(cause);
    }
  };
}

async function isGzip(path: string): Promise<boolean> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'no such file' : error.message;
    throw new InputFileError(`can't read ${path}: ${why}`, { cause: error });
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SNIFF_BYTES), 0, SNIFF_BYTES, 0);
    return bytesRead === SNIFF_BYTES && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EISDIR' ? 'it is a directory, give the files in it' : message;
    throw new InputFileError(`can't read ${path}: ${why}`, { cause: error });
  } finally {
    await handle.close();
  }
}

async function* readText(text: Readable, file: string): AsyncGenerator<RawRow> {
  yield* (await isNdjson(text, file)) ? readNdjson(text, file) : readCsv(text, file);
}

/** NDJSON begins with a brace; every header we know begins with a letter. */
async function isNdjson(text: Readable, file: string): Promise<boolean> {
  const first = await firstChunk(text);
  if (first === undefined) throw new InputFileError(`${file} is empty: expected a header line`);
  const start = first
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  return start.startsWith('{');
}

/** A record of any table: values by column name in lower case, without spaces and underscores. */
export interface TableRecord {
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
  /** Set where the record can't be read; there are no values then. */
  readonly damage?: string;
}

/** Yields the records of a CSV with any header, or of NDJSON, in the same bounded way as invoices are read. */
export function readTable(path: string, options: ReadOptions = {}): AsyncGenerator<TableRecord> {
  return readFile(path, options, async function* (text, file) {
    yield* (await isNdjson(text, file)) ? readObjects(text, file) : readRecords(text, file);
  });
}

export function columnName(name: string): string {
  return name.toLowerCase().replace(/[\s_]+/g, '');
}

async function* readRecords(text: Readable, file: string): AsyncGenerator<TableRecord> {
  let header: readonly string[] | undefined;
  for await (const { record, line } of csvRecords(text, file)) {
    if (header === undefined) header = record.map(columnName);
    else if (record.length !== header.length) {
      yield { line, values: {}, damage: `${record.length} fields where the header has ${header.length}` };
    } else {
      yield { line, values: Object.fromEntries(header.map((name, i) => [name, (record[i] ?? '').trim()])) };
    }
  }
}

async function* readObjects(text: Readable, file: string): AsyncGenerator<TableRecord> {
  for await (const { json, line } of jsonLines(text, file)) {
    const value = parseObject(json);
    if (typeof value === 'string') yield { line, values: {}, damage: value };
    else yield { line, values: Object.fromEntries(Object.entries(value).map(([name, v]) => [columnName(name), v])) };
  }
}

async function firstChunk(stream: Readable): Promise<Buffer | undefined> {
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) {
      stream.unshift(chunk);
      return chunk;
    }
    if (stream.readableEnded) return undefined;
    const ended = await new Promise<boolean>((resolve, reject) => {
      stream.once('readable', () => resolve(false));
      stream.once('end', () => resolve(true));
      stream.once('error', reject);
    });
    if (ended) return undefined;
  }
}

async function* readCsv(text: Readable, file: string): AsyncGenerator<RawRow> {
  let columns: Columns | undefined;
  for await (const { record, line } of csvRecords(text, file)) {
    if (columns === undefined) columns = readHeader(record, file);
    else yield csvRow(record, columns, file, line);
  }
}

/** All records with the line on which each begins, the header first. */
async function* csvRecords(text: Readable, file: string): AsyncGenerator<{ record: string[]; line: number }> {
  const parser = text.pipe(
    parse({
      bom: true,
      info: true,
      max_record_size: RECORD_BYTES_MAX,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    }),
  );
  text.once('error', (error) => parser.destroy(error));
  let count = 0;
  let lineLast = 0;
  let extraLines = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      // `info.lines` is where the record ends; a quoted description may span several lines.
      // The parser counts a CR LF between quotes twice: that is taken off again.
      extraLines += occurrences(record, '\r\n');
      lineLast = info.lines - extraLines;
      count += 1;
      yield { record, line: lineLast - occurrences(record, '\n') };
    }
  } catch (error) {
    throw csvError(file, lineLast + 1, error);
  }
  if (count === 0) throw new InputFileError(`${file} is empty: expected a header line`);
}

interface Columns {
  readonly count: number;
  readonly index: Readonly<Partial<Record<Field, number>>>;
}

function readHeader(names: readonly string[], file: string): Columns {
  const known = names.map(columnName);
  const index: Partial<Record<Field, number>> = {};
  for (const field of Object.keys(COLUMNS) as Field[]) {
    const at = known.findIndex((name) => COLUMNS[field].includes(name));
    if (at >= 0) index[field] = at;
  }
  const missing = REQUIRED.filter((field) => index[field] === undefined);
  if (missing.length > 0) {
    throw new InputFileError(
      `${file}: the header has no column for ${missing.join(', ')}. Found: ${names.join(',').slice(0, 200)}. ` +
        'Expected InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country or ' +
        'invoice,code,description,quantity,at,unitPrice,customer,country,kind (see docs/guides/import.md).',
    );
  }
  return { count: names.length, index };
}

function csvRow(record: readonly string[], columns: Columns, file: string, line: number): RawRow {
  const { count, index } = columns;
  const kindStated = index.kind !== undefined;
  if (record.length !== count) {
    return damagedRow(file, line, record, kindStated, `${record.length} fields where the header has ${count}`);
  }
  const field = (name: Field) => {
    const at = index[name];
    return at === undefined ? '' : (record[at] ?? '').trim();
  };
  return {
    file,
    line,
    invoice: field('invoice'),
    code: field('code'),
    description: field('description'),
    quantity: field('quantity'),
    at: field('at'),
    unitPrice: field('unitPrice'),
    customer: field('customer'),
    country: field('country'),
    kind: field('kind'),
    kindStated,
    fields: record,
  };
}

async function* readNdjson(text: Readable, file: string): AsyncGenerator<RawRow> {
  for await (const { json, line } of jsonLines(text, file)) yield ndjsonRow(json, file, line);
}

async function* jsonLines(text: Readable, file: string): AsyncGenerator<{ json: string; line: number }> {
  const guarded = text.pipe(lineLengthGuard(file));
  // A pipe passes on what is read and not what fails: without this a file that is cut off would be waited for for ever.
  text.once('error', (error) => guarded.destroy(error));
  const lines = createInterface({ input: guarded, crlfDelay: Number.POSITIVE_INFINITY });
  let line = 0;
  for await (const content of lines) {
    line += 1;
    const json = (line === 1 ? content.replace(/^\uFEFF/, '') : content).trim();
    if (json !== '') yield { json, line };
  }
}

function ndjsonRow(json: string, file: string, line: number): RawRow {
  const fields = parseObject(json);
  if (typeof fields === 'string') return damagedRow(file, line, [json], true, fields);
  const field = (name: Field) => {
    const content = fields[name];
    return typeof content === 'string' ? content.trim() : typeof content === 'number' ? String(content) : '';
  };
  return {
    file,
    line,
    invoice: field('invoice'),
    code: field('code'),
    description: field('description'),
    quantity: field('quantity'),
    at: field('at'),
    unitPrice: field('unitPrice'),
    customer: field('customer'),
    country: field('country'),
    kind: field('kind'),
    kindStated: true,
    fields: [json],
  };
}

/** The object, or why it is none. */
function parseObject(json: string): Record<string, unknown> | string {
  try {
    const value: unknown = JSON.parse(json);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : 'the line is not a JSON object';
  } catch {
    return 'the line is not JSON';
  }
}

/** readline keeps a line until its end: this ends the file instead when a line grows without bound. */
function lineLengthGuard(file: string): Transform {
  let sinceBreakBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const firstBreak = chunk.indexOf(10);
      const longest = sinceBreakBytes + (firstBreak < 0 ? chunk.length : firstBreak);
      sinceBreakBytes = firstBreak < 0 ? longest : chunk.length - 1 - chunk.lastIndexOf(10);
      if (longest > RECORD_BYTES_MAX) {
        done(new InputFileError(`${file}: a line is longer than ${RECORD_BYTES_MAX} bytes`));
      } else done(null, chunk);
    },
  });
}

function damagedRow(
  file: string,
  line: number,
  fields: readonly string[],
  kindStated: boolean,
  damage: string,
): RawRow {
  const none = { invoice: '', code: '', description: '', quantity: '', at: '', unitPrice: '' };
  return { file, line, ...none, customer: '', country: '', kind: '', kindStated, damage, fields };
}

function occurrences(record: readonly string[], text: string): number {
  let count = 0;
  for (const field of record) {
    for (let at = field.indexOf(text); at >= 0; at = field.indexOf(text, at + 1)) count += 1;
  }
  return count;
}

function csvError(file: string, line: number, error: unknown): unknown {
  const { code } = error as CsvError;
  if (code !== 'CSV_QUOTE_NOT_CLOSED' && code !== 'CSV_MAX_RECORD_SIZE') return error;
  return new InputFileError(`${file}: the record that begins at line ${line} opens a quote and never closes it`, {
    cause: error,
  });
}

function fileError(file: string, error: unknown): unknown {
  if (error instanceof InputFileError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return new InputFileError(`${file}: the gzip file is cut off`, { cause: error });
  if (code?.startsWith('Z_') === true || code?.startsWith('CSV_') === true || code === 'EISDIR') {
    return new InputFileError(`${file}: ${message}`, { cause: error });
  }
  return error;
}
