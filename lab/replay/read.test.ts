import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { InputFileError, readRows } from './read.ts';
import type { RawRow } from './row.ts';
import { parseRow } from './row.ts';
import { MONTH, RETAIL_HEADER, withDirectory, writeInput } from './testing/files.ts';

async function readAll(content: string | Buffer, name = 'input.csv'): Promise<RawRow[]> {
  return withDirectory(async (directory) => {
    const rows: RawRow[] = [];
    for await (const row of readRows(await writeInput(directory, name, content))) rows.push(row);
    return rows;
  });
}

async function digestOf(content: string | Buffer): Promise<string> {
  return withDirectory(async (directory) => {
    let digest = '';
    const onDigest = (value: string) => {
      digest = value;
    };
    for await (const _row of readRows(await writeInput(directory, 'x', content), { onDigest }));
    return digest;
  });
}

test('gzip and plain files read alike, whatever their name, and have one digest', async () => {
  const plain = await readAll(MONTH);
  expect(await readAll(gzipSync(MONTH))).toEqual(plain);
  expect(await digestOf(gzipSync(MONTH))).toBe(await digestOf(MONTH));
  expect(plain).toHaveLength(32);
  expect(plain[2]).toMatchObject({ line: 4, code: '10002', description: 'TIN, ROUND', unitPrice: '1.25' });
});

test('line numbers count lines of the file, over blank lines and descriptions that span lines', async () => {
  const rows = await readAll(`\uFEFF${RETAIL_HEADER}\r\nA1,10001,"two\r\nlines",1,d,1,,\r\n\r\nA2,10001,x,1,d,1,,\r\n`);
  expect(rows.map(({ line, invoice }) => [line, invoice])).toEqual([
    [2, 'A1'],
    [5, 'A2'],
  ]);
});

test('inch marks inside a description do not disturb the line', async () => {
  const [row] = await readAll(`${RETAIL_HEADER}\nA1,10001,15" RULER,1,2031-01-01 10:00:00,1,,UK\n`);
  expect(row?.description).toBe('15" RULER');
});

test('a record with too few fields is kept as damaged, with its fields', async () => {
  const [row] = await readAll(`${RETAIL_HEADER}\nA1,10001\n`);
  expect(row).toMatchObject({ line: 2, damage: '2 fields where the header has 8', fields: ['A1', '10001'] });
});

test('JSON lines carry the documented fields, numbers or text', async () => {
  const good = { invoice: 'A1', code: 'MUG', quantity: 2, at: '2031-01-01T10:00:00', unitPrice: 1.5, kind: 'goods' };
  const rows = await readAll(`\uFEFF${JSON.stringify(good)}\n\n{broken\n[1]\n`, 'input.ndjson');
  expect(rows.map(({ line, damage }) => [line, damage])).toEqual([
    [1, undefined],
    [3, 'the line is not JSON'],
    [4, 'the line is not a JSON object'],
  ]);
  expect(parseRow(rows[0] as RawRow)).toMatchObject({ sku: 'MUG', quantity: 2, totalMinor: 300, kindStated: true });
});

/** More than is in one chunk, and hard to pack. */
const manyLines = Array.from({ length: 5_000 }, (_, i) =>
  JSON.stringify({ invoice: `A${i}`, code: Math.sin(i).toString(36), quantity: 1, at: '2031-01-01', unitPrice: 1 }),
).join('\n');

test('what makes a whole file unusable is one clear error', async () => {
  const cases: [string | Buffer, RegExp][] = [
    ['', /is empty/],
    ['a,b,c\n1,2,3\n', /no column for invoice, code, quantity, at, unitPrice\. Found: a,b,c/],
    [`${RETAIL_HEADER}\nA1,10001,"never closed,1,d,1,,\nA2,,,,,,,\n`, /begins at line 2 opens a quote/],
    [`${RETAIL_HEADER}\nA1,10001,"${'x'.repeat(70_000)}\n`, /begins at line 2 opens a quote/],
    [gzipSync(MONTH).subarray(0, 200), /gzip file is cut off/],
    [`{"invoice":"${'x'.repeat(70_000)}"}`, /longer than 65536 bytes/],
    [gzipSync(manyLines).subarray(0, 30_000), /gzip file is cut off/],
    [Buffer.from(`${RETAIL_HEADER}\nA1,10001,caf\xe9,1,d,1,,\n`, 'latin1'), /is not text in UTF-8: convert it first/],
    [Buffer.from(MONTH, 'utf16le'), /is not text in UTF-8/],
    [Buffer.concat([Buffer.from(MONTH), Buffer.from([0xe2, 0x82])]), /is not text in UTF-8/],
  ];
  for (const [content, message] of cases) {
    await expect(readAll(content)).rejects.toThrow(InputFileError);
    await expect(readAll(content)).rejects.toThrow(message);
  }
  await expect(readRows('/nowhere/x.csv').next()).rejects.toThrow(/no such file/);
  await expect(readRows('/').next()).rejects.toThrow(InputFileError);
});

test('each kind of bad field is rejected for its own reason', async () => {
  const fields = { invoice: '1', code: '10001', quantity: '1', at: '2031-01-01 10:00:00', unitPrice: '1' };
  const [good] = await readAll(`${JSON.stringify(fields)}\n`);
  const reasonOf = (change: Partial<RawRow>) => {
    const row = parseRow({ ...(good as RawRow), ...change });
    return 'type' in row ? row.reason : 'good';
  };
  expect(reasonOf({})).toBe('good');
  expect(reasonOf({ quantity: '-3.0', at: '2031-01-01T10:00', unitPrice: '1e-3' })).toBe('good');
  expect(reasonOf({ invoice: '' })).toBe('bad-invoice');
  expect(reasonOf({ invoice: 'ä' })).toBe('bad-invoice');
  expect(reasonOf({ code: 'x'.repeat(41) })).toBe('bad-code');
  expect(reasonOf({ quantity: '1.5' })).toBe('bad-quantity');
  expect(reasonOf({ quantity: '1000001' })).toBe('bad-quantity');
  expect(reasonOf({ quantity: '0' })).toBe('zero-quantity');
  expect(reasonOf({ at: '01/12/2030 08:26' })).toBe('bad-date');
  expect(reasonOf({ at: '2031-02-29 10:00:00' })).toBe('bad-date');
  expect(reasonOf({ unitPrice: '1,50' })).toBe('bad-price');
  expect(reasonOf({ quantity: '1000000', unitPrice: '99999999' })).toBe('amount-too-large');
});
