import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { bucketsOf, parseExposition, quantileOf } from './exposition.ts';
import { rowOf, tableOf } from './table.ts';

const page = (text: string) => parseExposition(text);

test('what our own pages say is read back, with every character of a label', async () => {
  const telemetry = createTelemetry({ ...createVirtualWorld({ seed: 1 }), service: 'x' });
  const name = 'say "hi"\\there\nnow';
  telemetry.counter({ name: 'things_total', help: 'Things.', labels: ['kind'] }).add({ kind: name }, 3);
  telemetry.histogram({ name: 'work_seconds', help: 'Work.', labels: ['kind'] }).observe({ kind: 'a' }, 0.02);
  telemetry.tally({ name: 'read_total', help: 'Read.' }, () => 7);
  const read = page(await telemetry.metricsText());
  expect(read.get('things_total')).toEqual([{ labels: { kind: name }, value: 3 }]);
  expect(read.get('read_total')).toEqual([{ labels: {}, value: 7 }]);
  expect(bucketsOf(read, 'work_seconds', () => true).at(-1)).toEqual({ le: Number.POSITIVE_INFINITY, count: 1 });
});

test('an estimated quantile lies in the bucket of the true one', () => {
  const bounds = [0.001, 0.01, 0.1, 1, 10, Number.POSITIVE_INFINITY];
  const seconds = fc.array(fc.double({ min: 0.0001, max: 9.9, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(seconds, fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1), (values, share) => {
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil(share * sorted.length) - 1] as number;
      const buckets = bounds.map((le) => ({ le, count: values.filter((value) => value <= le).length }));
      const estimated = quantileOf(buckets, share) as number;
      const bucketOf = (value: number) => bounds.findIndex((bound) => value <= bound + 1e-12);
      expect(bucketOf(estimated)).toBe(bucketOf(exact));
    }),
  );
  expect(quantileOf([], 0.5)).toBeUndefined();
  expect(quantileOf([{ le: 1, count: 0 }], 0.5)).toBeUndefined();
});

const orders = (requests: number, failed: number, cpu: number) =>
  page(`process_cpu_seconds_total ${cpu}
process_resident_memory_bytes 90000000
holdfast_requests_active{service="orders"} 4
holdfast_requests_total{service="orders",operation="place",status="2xx"} ${requests}
holdfast_requests_total{service="orders",operation="place",status="5xx"} ${failed}
holdfast_request_duration_seconds_bucket{service="orders",operation="place",status="2xx",le="0.01"} ${requests}
holdfast_request_duration_seconds_bucket{service="orders",operation="place",status="2xx",le="+Inf"} ${requests}
holdfast_batch_waiting_commands{writer="orders"} 3
holdfast_pool_waiting_callers{database="orders"} 2
holdfast_outbox_pending_events{source="orders"} 5`);

const shown = (process: string, atMs: number, exposition: ReturnType<typeof page> | undefined) => ({
  ...{ process, services: ['orders'], atMs, page: exposition },
});

test('a row tells what happened between two looks, and the queues as they are', () => {
  const row = rowOf(shown('orders-1', 0, orders(100, 0, 10)), shown('orders-1', 2_000, orders(190, 10, 11)));
  expect(row).toMatchObject({ cpuRatio: 0.5, memoryBytes: 90_000_000 });
  expect(row.services[0]).toMatchObject({
    ...{ requestsPerSec: 50, failedRatio: 0.1, inFlight: 4, waiting: 5, outbox: 5, behind: undefined },
  });
  expect(row.services[0]?.p99Ms).toBeCloseTo(9.9);
});

test('a process that was started anew has no rate yet; one that does not answer is told so', () => {
  const anew = rowOf(shown('orders-1', 0, orders(100, 0, 10)), shown('orders-1', 2_000, orders(5, 0, 1)));
  expect(anew.cpuRatio).toBeUndefined();
  expect(anew.services[0]?.requestsPerSec).toBe(0);
  const silent = rowOf(shown('orders-2', 0, orders(1, 0, 1)), shown('orders-2', 2_000, undefined));
  const first = rowOf(shown('orders-1', 0, orders(100, 0, 10)), shown('orders-1', 2_000, orders(190, 10, 11)));
  expect(tableOf([first, silent]).split('\n')).toEqual([
    'PROCESS   SERVICE    REQ/S  FAILED  P50 MS  P99 MS  IN FLIGHT  WAITING  OUTBOX  BEHIND     CPU  MEMORY',
    'orders-1  orders      50.0  10.0 %     5.0     9.9          4        5       5       -  50.0 %   90 MB',
    'orders-2  no answer      -       -       -       -          -        -       -       -       -       -',
  ]);
});
