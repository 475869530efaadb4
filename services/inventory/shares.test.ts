import fc from 'fast-check';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestDatabase, quietWorld as world } from '#kit/messaging/testing';
import type { Database, Reply } from '#kit/runtime';
import { createInventory, inventoryMigrations } from './index.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests read replies of every shape
type AnyReply = Reply & { readonly body: any };

let database: Database;
let events: { subject: string; available: boolean }[];
const instances: ReturnType<typeof createInventory>[] = [];

beforeAll(async () => {
  database = await openTestDatabase(inventoryMigrations);
  for (let i = 0; i < 2; i++) {
    instances.push(
      createInventory({
        world,
        database,
        server: { checkReplies: true },
        publish: async (_tx, drafts) => {
          for (const { key, data } of drafts)
            events.push({ subject: key, available: 'available' in data && data.available });
        },
      }),
    );
  }
});
beforeEach(async () => {
  events = [];
  for (const table of ['stock', 'movement', 'hold', 'share_change', 'stock_change', 'idempotency_key']) {
    await database.query(`delete from ${table}`);
  }
  await call('receive', { lines: [{ sku: 'ROPE', quantity: 10 }] }, 'receipt');
});

function call(operation: string, body: unknown, key = 'none', on = 0, query: Reply['headers'] = {}): Promise<AnyReply> {
  const headers = { 'holdfast-caller': 'service:tills', 'idempotency-key': key };
  const request = { service: 'inventory', operation, params: {}, query, headers, body };
  return (instances[on] as ReturnType<typeof createInventory>).server.handle(
    request,
    new AbortController().signal,
  ) as Promise<AnyReply>;
}

const transfer = (key: string, quantity: number, from = 'main', to = 'till_1', on = 0) =>
  call('transfer', { from, to, lines: [{ sku: 'ROPE', quantity }] }, key, on);
const sell = (reference: string, quantity: number, holder = 'till_1', on = 0) =>
  call('sell', { reference, holder, lines: [{ sku: 'ROPE', quantity }] }, 'none', on);
const takeBack = (reference: string, quantity: number, sellable = true, on = 0) =>
  call('takeBack', { reference, holder: 'till_1', lines: [{ sku: 'ROPE', quantity, sellable }] }, 'none', on);
const conservation = async () => (await call('conservation', undefined)).body;

test('a share leaves the shop’s stock for a till, all or nothing, once', async () => {
  const replies = await Promise.all([transfer('t1', 4), transfer('t1', 4, 'main', 'till_1', 1), transfer('t1', 4)]);
  for (const reply of replies) {
    expect(reply).toMatchObject({ status: 201 });
    expect(reply.body).toEqual(replies[0]?.body);
  }
  expect(replies[0]?.body.stock).toEqual([
    { holder: 'main', sku: 'ROPE', available: 6, version: 2 },
    { holder: 'till_1', sku: 'ROPE', available: 4, version: 1 },
  ]);
  const availability = await call('availability', undefined, 'none', 0, { sku: 'ROPE' });
  expect(availability.body.items).toMatchObject([{ sku: 'ROPE', available: 6 }]);
  expect(await transfer('t1', 5)).toMatchObject({ status: 422, body: { code: 'contract/idempotency-key-reused' } });
  expect(await transfer('t2', 7)).toMatchObject({
    status: 409,
    body: { code: 'inventory/out-of-stock', shortages: [{ sku: 'ROPE', wanted: 7, available: 6 }] },
  });
  // What was refused may be tried again once there is enough.
  await call('receive', { lines: [{ sku: 'ROPE', quantity: 1 }] }, 'more');
  expect(await transfer('t2', 7)).toMatchObject({ status: 201 });
  expect(await transfer('t3', 1, 'main', 'main')).toMatchObject({ status: 422 });
});

test('a till’s sale counts once, is never refused, and says what its share lacked', async () => {
  await transfer('t1', 4);
  expect((await sell('sal_1', 3)).body.shortages).toEqual([]);
  expect((await sell('sal_1', 3, 'till_1', 1)).body.stock).toMatchObject([{ available: 1 }]);
  expect((await sell('sal_2', 3)).body.shortages).toEqual([{ sku: 'ROPE', wanted: 3, available: 1 }]);
  expect(await conservation()).toMatchObject({ received: 12, onHand: 6, sold: 6, inTransfer: 0, violations: [] });
});

test('what a till takes back is on its shelf or written off, and no more than it sold', async () => {
  await transfer('t1', 4);
  await sell('sal_1', 3);
  await takeBack('ret_1', 1);
  await takeBack('ret_1', 1);
  await takeBack('ret_2', 1, false);
  expect(await takeBack('ret_3', 2)).toMatchObject({ status: 409, body: { code: 'inventory/not-sold' } });
  const { body } = await call('levels', undefined, 'none', 0, { holder: 'till_1' });
  expect(body.items).toMatchObject([{ onHand: 2, sold: 1, writtenOff: 1, arrived: 4, sent: 0, version: 4 }]);
  expect((await conservation()).violations).toEqual([]);
});

test('the catalogue hears when handing over empties the shop, and nothing of tills', async () => {
  events = [];
  await transfer('t1', 10);
  await sell('sal_1', 10);
  await transfer('t2', 1, 'till_1', 'main').catch(() => undefined);
  await takeBack('ret_1', 1);
  await transfer('t3', 1, 'till_1', 'main');
  expect(events).toEqual([
    { subject: 'ROPE', available: false },
    { subject: 'ROPE', available: true },
  ]);
});

test('pages of a SKU’s movements leave none out and tell none twice, though holders count alike', async () => {
  await transfer('t1', 4);
  await transfer('t2', 3, 'main', 'till_2');
  await transfer('t3', 1, 'till_1', 'till_2');
  await sell('sal_1', 1, 'till_1');
  await sell('sal_2', 1, 'till_2');
  const page = async (limit: number, cursor?: string) =>
    (
      await call('movements', undefined, 'none', 0, {
        sku: 'ROPE',
        limit: String(limit),
        ...(cursor ? { cursor } : {}),
      })
    ).body;
  const all = (await page(100)).items.map(nameOf);
  expect(all).toEqual([
    ...['till_2 3 sell', 'till_1 3 sell', 'main 3 send', 'till_2 2 arrive', 'till_1 2 send', 'main 2 send'],
    ...['till_2 1 arrive', 'till_1 1 arrive', 'main 1 receive'],
  ]);
  for (let limit = 1; limit <= all.length; limit++) {
    const seen: string[] = [];
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const { items, nextCursor } = await page(limit, cursor);
      seen.push(...items.map(nameOf));
      cursor = nextCursor;
    }
    expect(seen).toEqual(all);
  }
});

const nameOf = ({ holder, version, kind }: { holder: string; version: number; kind: string }) =>
  `${holder} ${version} ${kind}`;

const step = fc.record({
  kind: fc.constantFrom('out', 'back', 'across', 'sell', 'take-back', 'damaged', 'hold'),
  quantity: fc.integer({ min: 1, max: 4 }),
  id: fc.integer({ min: 0, max: 12 }),
  on: fc.integer({ min: 0, max: 1 }),
});

test('whatever holders do at once on two instances, and however often it is told, every unit is in one place', async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      round += 1;
      await Promise.all(
        steps.map(({ kind, quantity, id, on }) => {
          const name = `${round}-${kind}-${id}`;
          if (kind === 'out') return transfer(name, quantity, 'main', 'till_1', on);
          if (kind === 'back') return transfer(name, quantity, 'till_1', 'main', on);
          if (kind === 'across') return transfer(name, quantity, 'till_1', 'till_2', on);
          if (kind === 'sell') return sell(name, quantity, 'till_1', on);
          if (kind === 'hold') {
            const orderId = `ord_${String(round * 100 + id).padStart(26, '0')}`;
            return call('hold', { orderId, lines: [{ sku: 'ROPE', quantity }] }, 'none', on);
          }
          return takeBack(name, quantity, kind === 'take-back', on);
        }),
      );
      const { received, onHand, held, sold, writtenOff, inTransfer, violations } = await conservation();
      expect(violations).toEqual([]);
      expect(inTransfer).toBe(0);
      expect(received).toBe(onHand + held + sold + writtenOff);
      const { rows } = await database.query<{ units: number }>(
        `select coalesce(sum(quantity), 0)::bigint as units from movement m where kind = 'sell'
         and exists (select from share_change c where c.reference = m.reference)`,
      );
      const { rows: told } = await database.query<{ units: number }>(
        `select coalesce(sum(quantity), 0)::bigint as units from movement where kind = 'sell'`,
      );
      expect(rows).toEqual(told);
    }),
    { numRuns: 15 },
  );
});
