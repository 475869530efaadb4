import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { viewLogs } from './log-view.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hf-logs-'));
  return () => rmSync(root, { recursive: true, force: true });
});

const startMs = Date.parse('2026-01-01T00:00:00Z');
const at = (second: number) => new Date(startMs + second * 1_000).toISOString();
const line = (second: number, msg: string, more: object = {}) => ({ time: at(second), level: 'info', msg, ...more });

function keep(process: string, name: 'logs' | 'spans', lines: readonly object[], endSecond: number, rest = ''): void {
  const folder = join(root, process);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.${startMs + endSecond}.ndjson`);
  writeFileSync(path, `${lines.map((each) => JSON.stringify(each)).join('\n')}\n${rest}`);
  utimesSync(path, startMs / 1_000 + endSecond, startMs / 1_000 + endSecond);
}
const messages = async (filter: Partial<Parameters<typeof viewLogs>[1]> = {}) =>
  (await viewLogs(root, { limit: 100, ...filter })).items.map(({ message }) => message);

test('lines of all processes come newest first, and what a crash has cut off is left out', async () => {
  keep('orders', 'logs', [line(1, 'a'), line(4, 'd')], 4, '{"time":"2026-');
  keep('payments', 'logs', [line(2, 'b'), line(3, 'c')], 3);
  expect(await messages()).toEqual(['d', 'c', 'b', 'a']);
});

test('no more are given than are asked for, and it is said when there are more', async () => {
  keep('orders', 'logs', [line(1, 'a'), line(2, 'b')], 2);
  keep('orders', 'logs', [line(3, 'c')], 3);
  expect(await viewLogs(root, { limit: 2 })).toMatchObject({
    items: [{ message: 'c' }, { message: 'b' }],
    complete: false,
  });
  expect((await viewLogs(root, { limit: 3 })).complete).toBe(true);
  expect(await messages({ limit: 2, toMs: startMs + 2_000 })).toEqual(['b', 'a']);
});

test('an id brings the lines of all traces that named it, and no longer id that begins like it', async () => {
  keep('orders', 'spans', [{ traceId: 't1', attributes: { order: 'ord_1', correlation_id: 'cor_1' } }], 1);
  keep('orders', 'logs', [line(1, 'placed', { orderId: 'ord_1' }), line(2, 'other', { orderId: 'ord_11' })], 2);
  keep('payments', 'logs', [line(3, 'asked', { traceId: 't1' }), line(4, 'heard', { correlationId: 'cor_1' })], 4);
  expect(await messages({ about: 'ord_1' })).toEqual(['heard', 'asked', 'placed']);
});

test('they are found by service, by process and by how grave they are', async () => {
  keep('orders-2', 'logs', [line(1, 'fine', { process: 'orders-2' }), { ...line(2, 'bad'), level: 'error' }], 2);
  keep('users', 'logs', [line(3, 'else', { process: 'users', service: 'users' })], 3);
  expect(await messages({ service: 'orders' })).toEqual(['fine']);
  expect(await messages({ service: 'users' })).toEqual(['else']);
  expect(await messages({ level: 'warn' })).toEqual(['bad']);
});
