import { expect, test } from 'vitest';
import { scaleCommand, statusTable } from './operate.ts';

test('the table of a running system says of each process how it is, and why it is not well', () => {
  const about = { services: ['orders'], restarts: 0 };
  const table = statusTable({
    ...{
      ok: true,
      topology: 'shop',
      pid: 1,
      dataDir: '/data',
      upMs: 65_000,
      urls: { gateway: 'http://127.0.0.1:4080', storefront: 'http://127.0.0.1:4080/' },
    },
    database: { pid: 2 },
    instances: [
      {
        ...about,
        name: 'orders-1',
        state: 'ready',
        pid: 3,
        address: '127.0.0.1:5',
        upMs: 59_000,
        unready: {},
        inFlight: 7,
        served: { requestsPerSec: 120.5, failedRatio: 0.002, p50Ms: 3.5, p99Ms: 41 },
      },
      {
        ...about,
        name: 'orders-2',
        state: 'ready',
        pid: 4,
        upMs: 3_600_000,
        unready: { databases: 'no answer' },
        inFlight: 0,
        served: { requestsPerSec: 0, failedRatio: 0 },
      },
      { ...about, name: 'orders-3', state: 'ready', pid: 5, upMs: 1 },
      { ...about, name: 'orders-4', state: 'paused', pid: 6 },
      { ...about, name: 'orders-5', state: 'waiting', restarts: 3, why: 'was ended by SIGKILL' },
    ],
  });
  expect(`\n${table}`).toBe(`
shop, up 1m05s, pid 1, database 2
gateway     http://127.0.0.1:4080
storefront  http://127.0.0.1:4080/

INSTANCE  STATE    PID  ADDRESS      UP     RESTARTS  IN FLIGHT  REQ/S  FAILED  P50 MS  P99 MS  HEALTH
orders-1  ready    3    127.0.0.1:5  59s    0         7          120.5  0.2 %   3.5     41      well
orders-2  ready    4    -            1h00m  0         0          0.0    0.0 %   -       -       databases: no answer
orders-3  ready    5    -            0s     0         -          -      -       -       -       does not answer
orders-4  paused   6    -            -      0         -          -      -       -       -       paused
orders-5  waiting  -    -            -      3         -          -      -       -       -       was ended by SIGKILL`);
});

test.each(['orders', 'orders=', 'orders=many', '=3', 'orders=-1'])('%s is refused with how to say it', async (text) => {
  await expect(scaleCommand(text, { json: false })).rejects.toThrow('give it as orders=6');
});
