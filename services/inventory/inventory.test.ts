import fc from 'fast-check';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { inventory as contract, type StockEvent, type StockLowEvent } from '#contracts/inventory';
import { type CallContext, type Client, createClient, createLocalTransport } from '#kit/contract';
import type { EventDraft } from '#kit/messaging';
import { type Component, type Database, type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createInventory, inventoryMigrations } from './index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);

let database: Database;
/** Two instances on one database, as in production. */
let here: Client<typeof contract>;
let there: Client<typeof contract>;
let components: Component[];
let events: EventDraft<StockEvent | StockLowEvent>[];
let count = 0;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, inventoryMigrations);
  database = createDatabase({ url, ...world });
  return () => database.close();
});

beforeEach(async () => {
  await database.query('truncate stock, hold, movement, stock_return, stock_change, stock_alarm, idempotency_key');
  events = [];
  components = [];
  here = instance();
  there = instance();
  return async () => {
    const { body } = await here.conservation({}, as());
    expect(body.violations).toEqual([]);
    expect(body.onHand + body.held + body.sold + body.writtenOff).toBe(body.received);
  };
});

function instance(): Client<typeof contract> {
  const { server, component } = createInventory({
    world,
    database,
    server: { checkReplies: true },
    expiryPeriodMs: 20,
    alarmPeriodMs: 20,
    publish: async (_tx, published) => void events.push(...published),
  });
  components.push(component);
  const transport = createLocalTransport(world.timers);
  transport.attach(server);
  return createClient(contract, { transport, clock: world.clock });
}

const as = (): CallContext => ({
  caller: { kind: 'service', id: 'orders' },
  correlationId: 'test',
  step: 0,
  traceparent: undefined,
  idempotencyKey: undefined,
  deadlineAtMs: world.clock.monotonicMs() + 60_000,
  signal: new AbortController().signal,
  headers: {},
});

const newOrder = () => {
  count += 1;
  return `ord_${String(count).padStart(26, '0')}`;
};
const line = (sku: string, quantity = 1) => ({ sku, quantity });
const receive = (key: string, ...lines: { sku: string; quantity: number }[]) =>
  here.receive({ key, body: { lines } }, as());
const hold = (orderId: string, ...lines: { sku: string; quantity: number }[]) =>
  here.hold({ body: { orderId, lines } }, as());
const of = (orderId: string) => ({ params: { orderId } });

async function level(sku: string) {
  const { body } = await here.levels({ query: { sku: [sku] } }, as());
  const { received, onHand, held, sold, writtenOff, version } = body.items[0] ?? {};
  return { received, onHand, held, sold, writtenOff, version };
}

test('two hundred orders at two instances share fifty units: fifty hold them, the others are told what is left', async () => {
  await receive('in', line('HOT', 50));
  const asked = Array.from({ length: 200 }, (_, i) =>
    (i % 2 ? here : there).hold({ body: { orderId: newOrder(), lines: [line('HOT')] } }, as()).then(
      ({ body }) => body.lines[0]?.version,
      (error) => error.code as string,
    ),
  );
  const answers = await Promise.all(asked);
  const versions = answers.filter((answer) => typeof answer === 'number').sort((a, b) => a - b);
  // The receipt was version 1; each hold made the next, and no two the same.
  expect(versions).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
  expect(answers.filter((answer) => answer === 'inventory/out-of-stock').length).toBe(150);
  expect(await level('HOT')).toMatchObject({ onHand: 0, held: 50, version: 51 });
});

test('a hold takes all its lines or none, and names all that is short; lines of one SKU count together', async () => {
  await receive('in', line('A', 5), line('B', 1));
  await expect(hold(newOrder(), line('A', 2), line('B', 2), line('NEVER-SEEN'))).rejects.toMatchObject({
    code: 'inventory/out-of-stock',
    data: {
      shortages: [
        { sku: 'B', wanted: 2, available: 1 },
        { sku: 'NEVER-SEEN', wanted: 1, available: 0 },
      ],
    },
  });
  await expect(hold(newOrder(), line('A', 3), line('A', 3))).rejects.toMatchObject({ code: 'inventory/out-of-stock' });
  expect(await level('A')).toMatchObject({ onHand: 5, held: 0, version: 1 });
});

test('a repeat is the same hold at whichever instance, even at the same moment, and stays what it was', async () => {
  await receive('in', line('A', 5));
  const orderId = newOrder();
  const ask = (client: typeof here) => client.hold({ body: { orderId, lines: [line('A', 2)] } }, as());
  const twins = await Promise.all([ask(here), ask(there), ask(here), ask(there)]);
  expect(new Set(twins.map(({ body }) => JSON.stringify(body.lines))).size).toBe(1);
  await here.commit(of(orderId), as());
  expect((await ask(there)).body.status).toBe('sold');
  expect((await there.commit(of(orderId), as())).body.status).toBe('sold');
  expect(await level('A')).toMatchObject({ onHand: 3, held: 0, sold: 2, version: 3 });
});

test('a refusal is for ever: units that come in later do not turn it into a hold', async () => {
  const orderId = newOrder();
  await expect(hold(orderId, line('A'))).rejects.toMatchObject({ code: 'inventory/out-of-stock' });
  await receive('in', line('A', 5));
  await expect(hold(orderId, line('A'))).rejects.toMatchObject({ code: 'inventory/out-of-stock' });
  await expect(here.commit(of(orderId), as())).rejects.toMatchObject({ code: 'inventory/out-of-stock' });
});

test('an order that was released before its hold arrived may not hold any more', async () => {
  await receive('in', line('A', 5));
  const orderId = newOrder();
  expect((await here.release(of(orderId), as())).body).toMatchObject({ status: 'released', lines: [] });
  await expect(there.hold({ body: { orderId, lines: [line('A')] } }, as())).rejects.toMatchObject({
    code: 'inventory/hold-ended',
    retry: 'never',
  });
  expect(await level('A')).toMatchObject({ onHand: 5, held: 0 });
});

test('a release gives back held units and sold ones, once, and never what a return brought back before', async () => {
  await receive('in', line('A', 5));
  const [held, sold] = [newOrder(), newOrder()];
  await hold(held, line('A', 1));
  await hold(sold, line('A', 3));
  await here.commit(of(sold), as());
  const back = { returnId: 'ret_1', orderId: sold, lines: [line('A', 1)], sellable: false };
  await Promise.all([here.restock({ body: back }, as()), there.restock({ body: back }, as())]);
  await Promise.all([held, sold, held, sold].map((id, i) => (i < 2 ? here : there).release(of(id), as())));
  expect(await level('A')).toMatchObject({ onHand: 4, held: 0, sold: 0, writtenOff: 1 });
});

test('only what an order has bought can come back, in parts, and never more', async () => {
  await receive('in', line('A', 5));
  const orderId = newOrder();
  await hold(orderId, line('A', 3));
  const restock = (returnId: string, quantity: number) =>
    here.restock({ body: { returnId, orderId, lines: [line('A', quantity)], sellable: true } }, as());
  await expect(restock('early', 1)).rejects.toMatchObject({ code: 'inventory/not-sold' });
  await here.commit(of(orderId), as());
  await restock('first', 2);
  await restock('first', 2);
  const answers = await Promise.allSettled([restock('second', 1), restock('third', 1), restock('fourth', 1)]);
  expect(answers.filter(({ status }) => status === 'fulfilled').length).toBe(1);
  expect(await level('A')).toMatchObject({ onHand: 5, sold: 0 });
});

test('a hold whose time is up is on sale again, and can still be bought while nobody else has the units', async () => {
  await receive('in', line('A', 1));
  const [late, quick] = [newOrder(), newOrder()];
  await hold(late, line('A'));
  await database.query(`update hold set expires_at = now() - interval '1 second'`);
  for (const component of components) await component.start?.();
  await expect.poll(async () => (await level('A')).onHand).toBe(1);
  for (const component of components) await component.stop?.();
  await hold(quick, line('A'));
  const shortages = [{ sku: 'A', wanted: 1, available: 0 }];
  const refusal = { code: 'inventory/out-of-stock', data: { shortages } };
  await expect(here.commit(of(late), as())).rejects.toMatchObject(refusal);
  await here.release(of(quick), as());
  // However often it is asked, and though the unit is there again: the order has been refused.
  await expect(there.commit(of(late), as())).rejects.toMatchObject(refusal);
  await expect(hold(late, line('A'))).rejects.toMatchObject(refusal);
  expect(await level('A')).toMatchObject({ onHand: 1, held: 0, sold: 0, version: 5 });
});

test('a receipt or an adjustment is booked once under its key, and another one under that key is refused', async () => {
  const body = { lines: [line('A', 5)] };
  const twins = await Promise.all(
    [here, there, here].map((client) => client.receive({ key: 'delivery-1', body }, as())),
  );
  expect(new Set(twins.map((reply) => JSON.stringify(reply.body))).size).toBe(1);
  await expect(receive('delivery-1', line('A', 6))).rejects.toMatchObject({ status: 422 });
  // Its answer is forgotten after a while; that it was booked is not.
  await database.query('truncate idempotency_key');
  await receive('delivery-1', line('A', 5));
  await expect(receive('delivery-1', line('A', 6))).rejects.toMatchObject({ status: 422 });
  expect(await level('A')).toMatchObject({ received: 5, onHand: 5, version: 1 });
});

test('a stock-take brings the books to what was counted, once, and what orders hold is counted with the rest', async () => {
  await receive('in', line('A', 10), line('B', 5));
  await hold(newOrder(), line('A', 4));
  const body = {
    lines: [
      { sku: 'A', counted: 9 },
      { sku: 'B', counted: 4 },
      { sku: 'NEW', counted: 2 },
      { sku: 'B', counted: 2 },
    ],
  };
  const asked = [here, there, here].map((client) => client.takeStock({ key: 'take-1', body }, as()));
  const [first, ...twins] = await Promise.all(asked);
  expect(first?.body.lines).toEqual([
    { sku: 'A', expected: 10, counted: 9, difference: -1 },
    { sku: 'B', expected: 5, counted: 6, difference: 1 },
    { sku: 'NEW', expected: 0, counted: 2, difference: 2 },
  ]);
  for (const twin of twins) expect(twin.body).toEqual(first?.body);
  expect(await level('A')).toMatchObject({ onHand: 5, held: 4, writtenOff: 1 });
  expect(await level('NEW')).toMatchObject({ received: 2, onHand: 2 });
  const { body: journal } = await here.movements({ query: { sku: 'A', limit: 1 } }, as());
  expect(journal.items).toMatchObject([{ kind: 'write-off', quantity: 1, reference: 'take-1', reason: 'stock-take' }]);
  await expect(
    here.takeStock(
      {
        key: 'take-2',
        body: {
          lines: [
            { sku: 'B', counted: 1 },
            { sku: 'A', counted: 3 },
          ],
        },
      },
      as(),
    ),
  ).rejects.toMatchObject({ code: 'inventory/not-enough-on-hand' });
  expect(await level('B')).toMatchObject({ onHand: 6 });
});

test('a count of stock that has moved since is refused with the versions to count again, and its key stays free', async () => {
  await receive('in', line('A', 10), line('B', 5));
  const seen = { sku: 'A', counted: 10, version: 1 };
  await hold(newOrder(), line('A', 4));
  const lines = [{ sku: 'B', counted: 5, version: 1 }, seen];
  await expect(here.takeStock({ key: 'take-1', body: { lines } }, as())).rejects.toMatchObject({
    code: 'inventory/stock-moved',
    data: { moved: [{ sku: 'A', version: 2 }] },
  });
  const again = { lines: [{ ...seen, version: 2 }] };
  expect((await here.takeStock({ key: 'take-1', body: again }, as())).body.lines).toMatchObject([{ difference: 0 }]);
  expect(await level('A')).toMatchObject({ version: 2 });
});

test('a watched SKU is told to be low once by two instances, and again after there was more', async () => {
  await receive('in', line('A', 5), line('B', 5));
  const watch = (sku: string, body: { lowAt?: number; email?: string }) =>
    here.setAlarm({ params: { sku }, body }, as());
  await watch('A', { lowAt: 2, email: 'buyer@shop.example' });
  await watch('NONE', { lowAt: 0 });
  const low = () => events.filter(({ type }) => type === 'stock.low').map(({ key, data }) => ({ key, ...data }));
  for (const component of components) await component.start?.();
  try {
    await expect.poll(() => low().length).toBe(1);
    expect(low()).toMatchObject([{ key: 'NONE', onHand: 0, lowAt: 0 }]);
    const order = newOrder();
    await hold(order, line('A', 3), line('B', 5));
    await expect.poll(() => low().length).toBe(2);
    const { body } = await here.alarms({ query: { low: true } }, as());
    expect(body.items).toEqual([
      { sku: 'A', lowAt: 2, onHand: 2, isLow: true, email: 'buyer@shop.example' },
      { sku: 'NONE', lowAt: 0, onHand: 0, isLow: true },
    ]);
    await here.release(of(order), as());
    const again = async () =>
      (await database.query<{ sku: string }>('select sku from stock_alarm where not is_low')).rows;
    await expect.poll(again).toEqual([{ sku: 'A' }]);
    await hold(newOrder(), line('A', 4));
    await expect.poll(() => low().length).toBe(3);
    expect(low()[2]).toMatchObject({ key: 'A', onHand: 1, email: 'buyer@shop.example' });
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    await watch('A', {});
    expect((await here.alarms({}, as())).body.items).toMatchObject([{ sku: 'NONE' }]);
  } finally {
    for (const component of components) await component.stop?.();
  }
});

test('an adjustment of several SKUs is booked whole or not at all, and its key may be used again when it was refused', async () => {
  await receive('in', line('A', 5), line('B', 1));
  const adjust = (...lines: { sku: string; change: number }[]) =>
    here.adjust({ key: 'count-1', body: { lines, reason: 'counted' } }, as());
  await expect(adjust({ sku: 'A', change: 2 }, { sku: 'B', change: -2 })).rejects.toMatchObject({
    code: 'inventory/not-enough-on-hand',
    detail: 'B: 2 to write off, 1 on hand',
  });
  expect(await level('A')).toMatchObject({ onHand: 5, version: 1 });
  await adjust({ sku: 'A', change: 2 }, { sku: 'B', change: -1 });
  expect(await level('A')).toMatchObject({ received: 7, onHand: 7, version: 2 });
  expect(await level('B')).toMatchObject({ received: 1, onHand: 0, writtenOff: 1 });
});

test('it is told once when a SKU sells out and once when it is back, with the version of it', async () => {
  await receive('in', line('A', 2));
  const orderId = newOrder();
  await hold(orderId, line('A', 2));
  await hold(newOrder(), line('A')).catch(() => {});
  await here.release(of(orderId), as());
  expect(events.map(({ data }) => [data.sku, 'available' in data && data.available, data.version])).toEqual([
    ['A', true, 1],
    ['A', false, 2],
    ['A', true, 3],
  ]);
  expect(new Set(events.map(({ id }) => id)).size).toBe(3);
});

test('the journal has every change of a SKU, newest first, page by page, and a cursor that is none is refused', async () => {
  await receive('in', line('A', 5));
  for (let i = 0; i < 3; i++) await hold(newOrder(), line('A'));
  const first = await here.movements({ query: { sku: 'A', limit: 3 } }, as());
  const cursor = first.body.nextCursor as string;
  const second = await here.movements({ query: { sku: 'A', limit: 3, cursor } }, as());
  const all = [...first.body.items, ...second.body.items];
  expect(all.map(({ version, kind }) => `${version} ${kind}`)).toEqual(['4 hold', '3 hold', '2 hold', '1 receive']);
  expect(second.body.nextCursor).toBeUndefined();
  for (const forged of ['x', Buffer.from('["soon"]').toString('base64url')]) {
    await expect(here.movements({ query: { sku: 'A', cursor: forged } }, as())).rejects.toMatchObject({ status: 400 });
  }
});

test('holds that wait for their order are listed by when they end, a page at a time, and by SKU', async () => {
  await receive('in', line('A', 5), line('B', 5));
  const [first, second, ended] = [newOrder(), newOrder(), newOrder()];
  await hold(first, line('A', 2));
  await hold(second, line('B'));
  await hold(ended, line('A'));
  await here.commit({ params: { orderId: ended } }, as());
  const page = (await here.holds({ query: { limit: 1 } }, as())).body;
  expect(page.items).toMatchObject([{ orderId: first, lines: [{ sku: 'A', quantity: 2 }] }]);
  const rest = (await here.holds({ query: { limit: 1, cursor: page.nextCursor ?? '' } }, as())).body;
  expect(rest.items.map(({ orderId }) => orderId)).toEqual([second]);
  expect(rest.nextCursor).toBeUndefined();
  expect((await here.holds({ query: { sku: 'B' } }, as())).body.items).toHaveLength(1);
  for (const position of ['["soon"]', '["5","x"]', '["2026-02-30T00:00:00Z","x"]', '["2026-01-01T00:00:00Z",5]']) {
    const cursor = Buffer.from(position).toString('base64url');
    await expect(here.holds({ query: { cursor } }, as())).rejects.toMatchObject({ status: 400 });
  }
});

test('a time that is none, or that PostgreSQL can not keep, is refused as input', async () => {
  for (const occurredAt of [
    'soon',
    '2026-01-01',
    '2026-01-01 10:00',
    '-200000-01-01T00:00:00Z',
    '+200000-01-01T00:00:00Z',
  ]) {
    const body = { lines: [line('A')], occurredAt };
    await expect(here.receive({ key: 'k', body }, as())).rejects.toMatchObject({ status: 400 });
  }
});

test('two instances that sell the same SKUs by turns decide as one would', async () => {
  const step = fc.record({ at: fc.boolean(), kind: fc.constantFrom('hold', 'commit', 'release'), which: fc.nat(9) });
  const skus = ['A', 'B'];
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 40 }), async (steps) => {
      run += 1;
      const named = skus.map((sku) => `${sku}-${run}`);
      await receive(`turns-${run}`, ...named.map((sku) => line(sku, 6)));
      const orders = Array.from({ length: 10 }, newOrder);
      const left = new Map(named.map((sku) => [sku, 6]));
      const state = new Map<string, 'held' | 'sold' | 'ended'>();
      for (const { at, kind, which } of steps) {
        const client = at ? here : there;
        const orderId = orders[which] as string;
        const lines = named.slice(which % 2).map((sku) => line(sku, 1 + (which % 3)));
        const known = state.get(orderId);
        const enough = lines.every(({ sku, quantity }) => (left.get(sku) ?? 0) >= quantity);
        const move = (sign: number) => {
          for (const { sku, quantity } of lines) left.set(sku, (left.get(sku) ?? 0) + sign * quantity);
        };
        if (kind === 'hold') {
          const done = await client.hold({ body: { orderId, lines } }, as()).catch(() => undefined);
          expect(done !== undefined).toBe(known === 'held' || known === 'sold' || (known === undefined && enough));
          if (known === undefined) state.set(orderId, enough ? 'held' : 'ended');
          if (known === undefined && enough) move(-1);
        } else if (kind === 'commit') {
          const done = await client.commit(of(orderId), as()).catch(() => undefined);
          expect(done !== undefined).toBe(known === 'held' || known === 'sold');
          if (known === 'held') state.set(orderId, 'sold');
        } else {
          await client.release(of(orderId), as());
          if (known === 'held' || known === 'sold') move(1);
          state.set(orderId, 'ended');
        }
      }
      const { body } = await there.availability({ query: { sku: named } }, as());
      expect(new Map(body.items.map(({ sku, available }) => [sku, available]))).toEqual(left);
    }),
    { numRuns: 15, seed: 7 },
  );
});
