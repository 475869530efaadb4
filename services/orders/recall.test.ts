import { beforeAll, expect, test } from 'vitest';
import { type Database, type Logger, systemWorld, type Transaction } from '#kit/runtime';
import { defineSaga, newSaga, type SagaRecord } from '#kit/saga';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { applyCommands, type Command, type CommandResult } from './commands.ts';
import { ordersMigrations } from './index.ts';
import type { OrderRecord } from './model.ts';
import { createOrderRecall, type OrderRecall } from './recall.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const definition = defineSaga({
  name: 'place-order',
  version: 1,
  steps: [{ kind: 'local', name: 'confirm', run: async () => ({ done: undefined }) }],
});
const cause = { correlationId: 'test', step: 0 };

let database: Database;
let statements: string[] = [];
let orders = 0;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, ordersMigrations);
  database = createDatabase({ url, ...systemWorld(quiet) });
  return () => database.close();
});

/** What a process commits with what it recalls, told like the service does. */
async function commit(recall: OrderRecall, ...commands: Command[]): Promise<(CommandResult | Error)[]> {
  statements = [];
  const verdicts = await database.transaction((tx) => {
    const query: Transaction['query'] = (text, values) => {
      statements.push(text);
      return tx.query(text, values);
    };
    return applyCommands({ ...tx, query }, { recall, publish: async () => {} }, commands);
  });
  return verdicts.map((verdict, i) => {
    if ('error' in verdict) return verdict.error as Error;
    recall.committed(commands[i] as Command, verdict.ok);
    return verdict.ok;
  });
}

const hasAskedFirst = () => statements.some((text) => /for update|returning scope/.test(text));

function place(key = `key-${orders}`, channel = 'web'): Extract<Command, { kind: 'place' }> {
  orders += 1;
  const id = `ord_${orders}`;
  const order: OrderRecord = {
    ...{ id, customerId: null, email: 'ada@example.org', channel, currency: 'EUR', totalMinor: 500, country: null },
    ...{
      lines: [],
      shippingAddress: null,
      state: 'received',
      reason: null,
      refundedMinor: 0,
      returns: [],
      refunds: [],
    },
    ...{
      cancellation: null,
      shipments: null,
      scope: 'ada',
      businessKey: key,
      placedAtMs: 0,
      decidedAtMs: null,
      hlc: null,
    },
  };
  const saga = newSaga(definition, id, {}, 'me');
  return { kind: 'place', claim: { scope: 'ada', key, fingerprint: 'f', reference: id }, order, saga, cause };
}

function decide({ order, saga }: { order: OrderRecord; saga: SagaRecord }): Command {
  const next: SagaRecord = { ...saga, revision: 1_000, step: 1, status: 'completed' };
  return { kind: 'decide', saga: next, orderId: order.id, decision: { confirmed: true }, atMs: 5, cause };
}

const stateOf = async ({ order }: { order: OrderRecord }) =>
  (await database.query<{ state: string }>('select state from customer_order where id = $1', [order.id])).rows[0]
    ?.state;

test('an order that this process took is decided without reading it first', async () => {
  const recall = createOrderRecall();
  const [first, second] = [place(), place()];
  await commit(recall, first, second);
  expect(hasAskedFirst()).toBe(false);
  await commit(recall, decide(first), decide(second));
  expect(hasAskedFirst()).toBe(false);
  expect([await stateOf(first), await stateOf(second)]).toEqual(['confirmed', 'confirmed']);
});

test('a key that another process has used is found to be so, and its batch is applied all the same', async () => {
  const [here, there] = [createOrderRecall(), createOrderRecall()];
  const first = place('shared');
  await commit(there, first);
  const [repeat, neighbour] = [place('shared'), place()];
  expect(await commit(here, repeat, neighbour)).toEqual([
    { waitFor: first.order.id },
    { order: neighbour.order, saga: neighbour.saga },
  ]);
  expect(await stateOf(repeat)).toBeUndefined();
  await commit(there, decide(first));
  const [replay] = await commit(here, place('shared'));
  expect(replay).toMatchObject({ replay: { status: 201, body: { id: first.order.id, state: 'confirmed' } } });
});

test('a repeat of a key that is known here costs its neighbours nothing twice', async () => {
  const recall = createOrderRecall();
  await commit(recall, place('again'));
  await commit(recall, place('again'), place());
  expect(statements.filter((text) => text.includes('insert into idempotency_key'))).toHaveLength(1);
});

test('an imported document is one order, also when its key was forgotten', async () => {
  const recall = createOrderRecall();
  const first = place('invoice-1', 'import');
  await commit(recall, first);
  await commit(recall, decide(first));
  await database.query(`delete from idempotency_key where key = 'invoice-1'`);
  expect(await commit(createOrderRecall(), place('invoice-1', 'import'))).toMatchObject([
    { replay: { status: 201, body: { id: first.order.id } } },
  ]);
});

test('a saga that was taken over decides nothing here, and its order stays as it is', async () => {
  const recall = createOrderRecall();
  const [lost, own] = [place(), place()];
  await commit(recall, lost, own);
  await database.query('update saga set fence = fence + 1 where id = $1', [lost.order.id]);
  const [fenced, decided] = await commit(recall, decide(lost), decide(own));
  expect(fenced).toMatchObject({ name: 'SagaFenced' });
  expect(decided).toMatchObject({ order: { id: own.order.id, state: 'confirmed' } });
  expect([await stateOf(lost), await stateOf(own)]).toEqual(['received', 'confirmed']);
});

test('a decision that is committed already has no effect again', async () => {
  const recall = createOrderRecall();
  const order = place();
  await commit(recall, order);
  const stale = createOrderRecall();
  stale.committed(order, { order: order.order, saga: order.saga });
  await commit(recall, decide(order));
  expect(await commit(stale, decide(order))).toMatchObject([{ order: { state: 'confirmed', decidedAtMs: 5 } }]);
  expect(hasAskedFirst()).toBe(true);
});
