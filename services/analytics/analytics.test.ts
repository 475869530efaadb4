import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { OrderEvent } from '#contracts/orders';
import { createEnvelope, createPostgresLog, type EventEnvelope, type EventLog, logMigrations } from '#kit/messaging';
import { openTestDatabase, until, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply } from '#kit/runtime';
import { type Analytics, analyticsMigrations, createAnalytics } from './index.ts';
import { factsOf } from './model.ts';

let database: Database;
let logDatabase: Database;
let log: EventLog;

beforeAll(async () => {
  database = await openTestDatabase(analyticsMigrations);
  logDatabase = await openTestDatabase([logMigrations]);
});
afterAll(() => Promise.all([database.close(), logDatabase.close()]));
beforeEach(async () => {
  for (const table of ['sales_hour', 'sales_product', 'product_name', 'inbox_position', 'dead_letter']) {
    await database.query(`delete from ${table}`);
  }
  for (const table of ['log_event', 'log_partition', 'log_group']) await logDatabase.query(`delete from ${table}`);
  log = createPostgresLog({ database: logDatabase, world });
});

function order(fields: Partial<OrderEvent> = {}): OrderEvent {
  return {
    orderId: 'ord_1',
    businessKey: 'key-1',
    state: 'confirmed',
    customer: { email: 'a@example.org' },
    channel: 'web',
    placedAt: '2010-12-01T08:26:00Z',
    currency: 'GBP',
    totalMinor: 1_500,
    country: 'GB',
    lines: [
      { kind: 'goods', sku: 'MUG', name: 'A mug', quantity: 2, unitPriceMinor: 500, totalMinor: 1_000 },
      { kind: 'goods', sku: 'CUP', name: 'A cup', quantity: 1, unitPriceMinor: 400, totalMinor: 400 },
      { kind: 'shipping', name: 'Postage', quantity: 1, unitPriceMinor: 100, totalMinor: 100 },
    ],
    ...fields,
  };
}

function event(type: string, data: unknown): EventEnvelope {
  const key = (data as { orderId?: string } | null)?.orderId ?? 'none';
  return createEnvelope({ source: 'orders', world }, { type, key, data });
}

async function withAnalytics(work: (analytics: Analytics) => Promise<void>): Promise<void> {
  const analytics = createAnalytics({ world, database, log, server: { checkReplies: true } });
  await analytics.component.start?.();
  try {
    await work(analytics);
  } finally {
    await analytics.component.stop?.();
  }
}

async function call(
  analytics: Analytics,
  operation: string,
  query: Record<string, string> = {},
  options: { readonly params?: Record<string, string>; readonly caller?: string } = {},
): Promise<Reply> {
  const { params = {}, caller = 'admin:ada' } = options;
  const headers = { 'holdfast-caller': caller };
  return analytics.server.handle(
    { service: 'analytics', operation, params, query, headers },
    new AbortController().signal,
  );
}

async function untilCounted(analytics: Analytics): Promise<void> {
  await until(async () => ((await call(analytics, 'status')).body as { lagEvents: number }).lagEvents === 0);
}

async function figures(): Promise<unknown> {
  const hours = await database.query('select * from sales_hour order by hour, currency, country, channel');
  const products = await database.query('select * from sales_product order by currency, day, sku');
  const names = await database.query('select * from product_name order by sku');
  return [hours.rows, products.rows, names.rows];
}

const year = { from: '2010-12-01T00:00:00Z', to: '2011-01-01T00:00:00Z' };

test('sales come by hour, day, month, country and channel, net of what was given back', async () => {
  await log.append('orders', [
    event('order.received', order()),
    event('order.confirmed', order()),
    event('order.confirmed', order({ orderId: 'ord_2', placedAt: '2010-12-01T23:59:59Z', channel: 'till' })),
    event('order.confirmed', order({ orderId: 'ord_3', placedAt: '2010-12-02T00:00:00Z', currency: 'EUR' })),
    event('order.returned', order({ refundMinor: 500, returned: [{ sku: 'MUG', quantity: 1 }] })),
    event('order.refunded', order({ orderId: 'ord_2', refundMinor: 50 })),
    event(
      'order.cancelled',
      order({ orderId: 'ord_3', currency: 'EUR', placedAt: '2010-12-02T00:00:00Z', refundMinor: 1_500 }),
    ),
    event('order.refused', order({ orderId: 'ord_4' })),
  ]);
  await withAnalytics(async (analytics) => {
    await untilCounted(analytics);
    const byDay = await call(analytics, 'sales', { by: 'day', ...year });
    expect(byDay.body).toMatchObject({
      lagEvents: 0,
      items: [
        {
          key: '2010-12-01T00:00:00.000Z',
          currency: 'GBP',
          orders: 2,
          units: 6,
          grossMinor: 3_000,
          refundedMinor: 550,
          netMinor: 2_450,
          returnedUnits: 1,
          cancelledOrders: 0,
          refusedOrders: 1,
        },
        {
          key: '2010-12-02T00:00:00.000Z',
          currency: 'EUR',
          orders: 1,
          netMinor: 0,
          cancelledOrders: 1,
          returnedUnits: 3,
        },
      ],
    });
    const keysBy = async (by: string) =>
      ((await call(analytics, 'sales', { by, ...year })).body as { items: { key: string }[] }).items.map(
        ({ key }) => key,
      );
    expect(await keysBy('hour')).toEqual([
      '2010-12-01T08:00:00.000Z',
      '2010-12-01T23:00:00.000Z',
      '2010-12-02T00:00:00.000Z',
    ]);
    expect(await keysBy('month')).toEqual(['2010-12-01T00:00:00.000Z', '2010-12-01T00:00:00.000Z']);
    expect(await keysBy('country')).toEqual(['GB', 'GB']);
    expect(await keysBy('channel')).toEqual(['till', 'web', 'web']);
    const oneHour = { by: 'channel', from: '2010-12-01T08:30:00Z', to: '2010-12-01T08:40:00Z' };
    expect((await call(analytics, 'sales', oneHour)).body).toMatchObject({ items: [{ key: 'web', orders: 1 }] });
  });
});

test('products come by turnover, page by page, under their latest name', async () => {
  const later = { placedAt: '2010-12-05T00:00:00Z', orderId: 'ord_2' };
  const renamed = [
    { kind: 'goods', sku: 'MUG', name: 'The mug', quantity: 1, unitPriceMinor: 500, totalMinor: 500 },
  ] as const;
  await log.append('orders', [
    event('order.confirmed', order({ ...later, lines: renamed })),
    event('order.confirmed', order()),
  ]);
  await withAnalytics(async (analytics) => {
    await untilCounted(analytics);
    const first = await call(analytics, 'products', { currency: 'GBP', ...year, limit: '1' });
    const { items, nextCursor } = first.body as { items: unknown[]; nextCursor: string };
    expect(items).toMatchObject([{ sku: 'MUG', name: 'The mug', units: 3, grossMinor: 1_500 }]);
    const second = await call(analytics, 'products', { currency: 'GBP', ...year, limit: '1', cursor: nextCursor });
    expect(second.body).toMatchObject({ items: [{ sku: 'CUP', units: 1, grossMinor: 400 }] });
    expect(second.body).not.toHaveProperty('nextCursor');
  });
});

test('figures rebuilt from the log equal those that grew', async () => {
  const types = ['order.confirmed', 'order.refused', 'order.cancelled', 'order.returned', 'order.refunded'];
  let seed = 7;
  const next = (bound: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % bound;
  };
  await withAnalytics(async (analytics) => {
    for (let batch = 0; batch < 12; batch++) {
      const events = Array.from({ length: 50 }, () =>
        event(
          types[next(5)] as string,
          order({
            orderId: `ord_${next(200)}`,
            placedAt: new Date(Date.UTC(2010, 11, 1 + next(20), next(24), next(60))).toISOString(),
            currency: ['GBP', 'EUR'][next(2)] as string,
            ...(next(3) > 0 ? { country: ['GB', 'FR', 'NL'][next(3)] as string } : { country: 'DE' }),
            channel: ['web', 'till', 'import'][next(3)] as string,
            refundMinor: next(1_000),
            lines: [
              {
                kind: 'goods',
                sku: `SKU-${next(9)}`,
                name: `Name ${next(4)}`,
                quantity: 1 + next(5),
                unitPriceMinor: 10,
                totalMinor: next(900),
              },
            ],
          }),
        ),
      );
      await log.append('orders', events);
    }
    await untilCounted(analytics);
    const grown = await figures();
    const reply = await call(analytics, 'rebuild');
    expect(reply.status).toBe(202);
    await untilCounted(analytics);
    expect(await figures()).toEqual(grown);
    expect((await database.query('select from sales_hour')).count).toBeGreaterThan(100);
  });
});

test('the figures are the same however events are batched', () => {
  const someEvent = fc
    .record({
      type: fc.constantFrom('order.confirmed', 'order.refused', 'order.cancelled', 'order.returned', 'order.refunded'),
      hour: fc.nat(50),
      sku: fc.constantFrom('A', 'B'),
      quantity: fc.integer({ min: 1, max: 9 }),
      amount: fc.integer({ min: -1_000_000, max: 1_000_000_000 }),
    })
    .map(({ type, hour, sku, quantity, amount }) =>
      event(
        type,
        order({
          placedAt: new Date(Date.UTC(2010, 0, 1, hour)).toISOString(),
          totalMinor: amount,
          refundMinor: Math.abs(amount),
          lines: [{ kind: 'goods', sku, name: sku, quantity, unitPriceMinor: 1, totalMinor: amount }],
        }),
      ),
    );
  const total = (batches: EventEnvelope[][]) => {
    const sums = new Map<string, number>();
    for (const { hours, products } of batches.map(factsOf)) {
      for (const fact of [...hours, ...products]) {
        const name = Object.values(fact)
          .filter((value) => typeof value === 'string')
          .join(' ');
        for (const [field, value] of Object.entries(fact)) {
          if (typeof value === 'number') sums.set(`${name} ${field}`, (sums.get(`${name} ${field}`) ?? 0) + value);
        }
      }
    }
    return Object.fromEntries([...sums].toSorted());
  };
  fc.assert(
    fc.property(fc.array(someEvent, { maxLength: 30 }), fc.integer({ min: 1, max: 30 }), (events, size) => {
      const batches = Array.from({ length: Math.ceil(events.length / size) }, (_, i) =>
        events.slice(i * size, i * size + size),
      );
      expect(total(batches)).toEqual(total([events]));
    }),
  );
});

test('an event that can not be counted is put aside, can be looked at, and holds up nothing', async () => {
  await log.append('orders', [
    event('order.confirmed', { ...order(), placedAt: 'yesterday' }),
    event('order.confirmed', null),
    event('order.confirmed', order()),
  ]);
  await withAnalytics(async (analytics) => {
    await untilCounted(analytics);
    expect((await call(analytics, 'status')).body).toEqual({ lagEvents: 0, deadLetters: 2 });
    const { items } = (await call(analytics, 'listDeadLetters')).body as { items: { id: number; cause: string }[] };
    expect(items.map((item) => item.cause).join()).toMatch(/placedAt is missing or malformed/);
    const params = { letterId: String(items[0]?.id) };
    expect((await call(analytics, 'showDeadLetter', {}, { params })).body).toMatchObject({
      event: { type: 'order.confirmed', specversion: '1.0' },
    });
    expect((await call(analytics, 'replayDeadLetter', {}, { params })).body).toMatchObject({
      replayed: 0,
      remaining: 1,
    });
    expect((await call(analytics, 'discardDeadLetter', {}, { params })).status).toBe(200);
    const gone = await call(analytics, 'showDeadLetter', {}, { params });
    expect(gone.body).toMatchObject({ status: 404, code: 'analytics/no-dead-letter' });
    expect((await call(analytics, 'status')).body).toEqual({ lagEvents: 0, deadLetters: 1 });
  });
});

test('bad questions get problems, and only staff may ask', async () => {
  await withAnalytics(async (analytics) => {
    const codeOf = async (query: Record<string, string>, caller?: string) =>
      ((await call(analytics, 'sales', query, caller ? { caller } : {})).body as { code: string }).code;
    expect(await codeOf({ by: 'hour', from: '2010-01-01T00:00:00Z', to: '2011-01-01T00:00:00Z' })).toBe(
      'analytics/range-too-long',
    );
    expect(await codeOf({ by: 'hour', from: '2011-01-01T00:00:00Z', to: '2010-01-01T00:00:00Z' })).toBe(
      'contract/invalid-input',
    );
    expect(await codeOf({ by: 'hour', from: 'soon' })).toBe('contract/invalid-input');
    expect(await codeOf({ by: 'shoe size' })).toBe('contract/invalid-input');
    expect(await codeOf({ by: 'hour' }, 'customer:carl')).toBe('contract/forbidden');
    expect((await call(analytics, 'rebuild', {}, { caller: 'staff:sam' })).status).toBe(403);
  });
});

test('a rebuild that would lose history is refused', async () => {
  await log.append('orders', [event('order.confirmed', order()), event('order.confirmed', order())]);
  await withAnalytics(async (analytics) => {
    await untilCounted(analytics);
    await log.sweep('orders', { eventsMax: 1 });
    expect((await call(analytics, 'rebuild')).body).toMatchObject({
      status: 409,
      code: 'analytics/history-incomplete',
    });
    expect((await call(analytics, 'sales', { by: 'day', ...year })).body).toMatchObject({ items: [{ orders: 2 }] });
  });
});

test('what tills sell counts as sales of the channel till, when it was sold, and what comes back there too', async () => {
  const sale = {
    tillId: 'till_1',
    tillName: 'Pier',
    saleId: 'sal_1',
    soldAt: '2030-01-01T10:20:00.000Z',
    currency: 'EUR',
    country: 'DE',
    totalMinor: 900,
    lines: [{ sku: 'MUG', name: 'A mug', quantity: 2, totalMinor: 1_000 }],
  };
  const told = (type: string, data: object) => createEnvelope({ source: 'tills', world }, { type, key: 'sal_1', data });
  const returned = [{ sku: 'MUG', quantity: 1 }];
  await withAnalytics(async (analytics) => {
    await log.append('tills', [
      told('till.sold', sale),
      told('till.returned', { ...sale, refundMinor: 450, returned }),
    ]);
    await untilCounted(analytics);
    const range = { from: '2030-01-01T00:00:00Z', to: '2030-01-02T00:00:00Z' };
    const { body } = await call(analytics, 'sales', { by: 'channel', ...range });
    expect(body).toMatchObject({
      items: [
        { key: 'till', currency: 'EUR', orders: 1, units: 2, grossMinor: 900, refundedMinor: 450, returnedUnits: 1 },
      ],
    });
    const products = await call(analytics, 'products', { currency: 'EUR', ...range });
    expect(products.body).toMatchObject({ items: [{ sku: 'MUG', name: 'A mug', units: 2, returnedUnits: 1 }] });
  });
});

test('a sale at a till without a time is found by the same checks as an order without one', () => {
  const broken = createEnvelope(
    { source: 'tills', world },
    { type: 'till.sold', key: 'sal_1', data: { currency: 'EUR' } },
  );
  expect(() => factsOf([broken])).toThrow('placedAt is missing');
});
