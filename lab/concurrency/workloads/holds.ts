import { createOutbox, createPostgresLog } from '#kit/messaging';
import type { Database } from '#kit/runtime';
import { type BatchWriter, createBatchWriter } from '#kit/store';
import type { Command, CommandResult } from '../../../services/inventory/commands.ts';
import { createStockRecall, type StockRecall } from '../../../services/inventory/recall.ts';
import type { Round } from '../rig.ts';
import { crowd, roadblock, type Workload } from '../workload.ts';

const tables = ['stock', 'hold', 'movement', 'stock_return', 'stock_change', 'idempotency_key', 'outbox'];

/**
 * Instances of inventory sell the same few SKUs: holds, commits, releases, expiries and returns of the same orders at
 * once, through the batch writer, each batch a transaction of its own session.
 */
export const holds: Workload = {
  name: 'holds',
  summary: 'inventory: holds, commits, releases, expiries, returns of the same orders and SKUs',
  tables,
  async round(round) {
    const skus = Array.from({ length: round.between(1, 4) }, (_, i) => `sku-${i}`);
    const received = new Map(skus.map((sku) => [sku, round.between(2, 20)]));
    const orders = drawOrders(round, skus, 30);
    const writers: BatchWriter<Command, CommandResult>[] = [];
    for (let i = crowd(round); i > 0; i--) writers.push(await openShop(round, `shop-${i}`));
    const shoppers = () => round.between(1, 3);
    await sell(round, { writers, received, orders, shoppers, likely: likelyHolds, tasksMax: 5 });
  },
};

/**
 * The same for few instances that decide on rows which they recall from their last commit, and are mostly right: usual
 * steps, for long, of SKUs that another instance changes now and then.
 */
export const recalled: Workload = {
  name: 'recalled',
  summary: 'inventory: holds and commits decided on recalled rows while other instances change them',
  tables,
  async round(round) {
    const skus = Array.from({ length: round.between(1, 4) }, (_, i) => `sku-${i}`);
    const received = new Map(skus.map((sku) => [sku, round.between(5, 60)]));
    const orders = drawOrders(round, skus, 10);
    const writers: BatchWriter<Command, CommandResult>[] = [];
    for (let i = round.between(2, 3); i > 0; i--) writers.push(await openShop(round, `shop-${i}`, recallOf(round)));
    const shoppers = () => round.between(1, 2);
    await sell(round, { writers, received, orders, shoppers, likely: likelyRecalled, tasksMax: 12 });
  },
};

interface Sale {
  readonly writers: readonly BatchWriter<Command, CommandResult>[];
  readonly received: ReadonlyMap<string, number>;
  readonly orders: readonly Order[];
  /** How many clients an instance has. */
  readonly shoppers: () => number;
  readonly likely: Likely;
  readonly tasksMax: number;
}

async function sell(round: Round, { writers, received, orders, shoppers, likely, tasksMax }: Sale): Promise<void> {
  await receive(round, received);
  const told: Told[] = [];
  const clients = writers.flatMap((writer, i) =>
    Array.from({ length: shoppers() }, (_, k) => {
      const tasks = drawTasks(round, orders, likely, tasksMax);
      return () => shopAround(writer, tasks, told, `${i}.${k}`);
    }),
  );
  await round.run([...clients, await roadblock(round, lockStockSql, [...received.keys()])]);
  await checkStock(round, received);
  checkAnswers(round, told, orders);
  await checkEvents(round);
}

/** What a client does with an order that it picks, and how often. */
type Likely = Readonly<Record<Task['kind'], number>>;
const likelyHolds: Likely = { hold: 1, commit: 0.6, release: 0.3, expire: 0.2, restock: 0.2 };
/** Not always a hold first, so that one is sold from memory that was released elsewhere. */
const likelyRecalled: Likely = { hold: 0.6, commit: 0.6, release: 0.2, expire: 0.05, restock: 0.05 };

interface Order {
  readonly orderId: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly expiresInMs: number;
}

type Task = { readonly kind: 'hold' | 'commit' | 'release' | 'expire' | 'restock'; readonly order: Order };

interface Told {
  readonly order: Order;
  readonly answer: 'held' | 'refused';
}

const never = 3_600_000;
const lockStockSql = 'select from stock where sku = $1 for update';

function drawOrders(round: Round, skus: readonly string[], ordersMax: number): Order[] {
  return Array.from({ length: round.between(4, ordersMax) }, (_, i) => ({
    orderId: `order-${i}`,
    // In any order, as shoppers fill their carts.
    lines: skus
      .toSorted(() => round.random.next() - 0.5)
      .slice(0, round.between(1, skus.length))
      .map((sku) => ({ sku, quantity: round.between(1, 3) })),
    expiresInMs: round.chance(0.2) ? 0 : never,
  }));
}

function drawTasks(round: Round, orders: readonly Order[], likely: Likely, tasksMax: number): Task[] {
  const tasks: Task[] = [];
  for (let i = round.between(1, tasksMax); i > 0; i--) {
    const order = round.pick(orders);
    for (const kind of ['hold', 'commit', 'release', 'expire', 'restock'] as const) {
      if (likely[kind] === 1 || round.chance(likely[kind])) tasks.push({ kind, order });
    }
  }
  return tasks;
}

/** Production leaves recalled rows alone for a hundred batches once they were wrong: no round has so many. */
const batchesAfterDoubtMax = 2;

function recallOf(round: Round): StockRecall {
  const recall = createStockRecall(round.between(0, batchesAfterDoubtMax));
  return {
    ...recall,
    take(commands) {
      const rows = recall.take(commands);
      round.note(rows ? 'batches decided on recalled rows' : 'batches decided on locked rows');
      return rows;
    },
    doubt(commands) {
      round.note('recalled rows that were no longer so');
      recall.doubt(commands);
    },
  };
}

async function openShop(
  round: Round,
  name: string,
  recall?: StockRecall,
): Promise<BatchWriter<Command, CommandResult>> {
  const { world, open } = round.process(name);
  const database = await open();
  const log = createPostgresLog({ database: round.plain, world });
  const outbox = createOutbox({ source: 'inventory', database, log, world });
  const context = { holder: 'main', publish: outbox.publish, ...(recall ? { recall } : {}) };
  return createBatchWriter<Command, CommandResult>({
    name,
    database,
    ...world,
    batchMax: round.between(1, 4),
    apply: (tx, commands) => round.parts.applyInventory(tx, context, commands),
    ...(recall ? { onCommit: () => recall.committed() } : {}),
  });
}

async function receive(round: Round, received: ReadonlyMap<string, number>): Promise<void> {
  await round.plain.query(
    `insert into stock (holder, sku, received, on_hand, version)
     select 'main', sku, units, units, 1 from unnest($1::text[], $2::bigint[]) as new (sku, units)`,
    [[...received.keys()], [...received.values()]],
  );
  await round.plain.query(
    `insert into movement (holder, sku, version, kind, quantity, reference)
     select holder, sku, 1, 'receive', received, 'start' from stock`,
  );
}

async function shopAround(
  writer: BatchWriter<Command, CommandResult>,
  tasks: readonly Task[],
  told: Told[],
  name: string,
): Promise<void> {
  for (const [i, { kind, order }] of tasks.entries()) {
    try {
      const { hold } = await writer.submit(commandOf(kind, order, `ret-${name}-${i}`));
      if (kind === 'hold' && hold) told.push({ order, answer: hold.status === 'refused' ? 'refused' : 'held' });
    } catch (error) {
      if (!isAnswer(error)) throw error;
      if (kind === 'hold' && (error as { code?: string }).code?.endsWith('out-of-stock')) {
        told.push({ order, answer: 'refused' });
      }
    }
  }
}

function commandOf(kind: Task['kind'], { orderId, lines, expiresInMs }: Order, returnId: string): Command {
  if (kind === 'hold') return { kind, orderId, lines, expiresInMs };
  if (kind === 'restock') return { kind, orderId, returnId, lines: lines.slice(0, 1), sellable: true };
  return { kind, orderId };
}

/** Out of stock, ended, nothing to return: what a service may say. Anything else it should have dealt with. */
function isAnswer(error: unknown): boolean {
  const { category } = error as { category?: string };
  return category === 'conflict' || category === 'input';
}

interface StockRow {
  readonly sku: string;
  readonly received: number;
  readonly onHand: number;
  readonly held: number;
  readonly sold: number;
  readonly version: number;
  /** What holds and returns say. */
  readonly heldByOrders: number;
  readonly soldToOrders: number;
  readonly changes: number;
}

const stockSql = `
  with line as (
    select h.order_id, h.status, l ->> 0 as sku, (l ->> 1)::bigint as quantity
    from hold h, jsonb_array_elements(h.lines) as l where h.status in ('held', 'sold')
  ), returned as (
    select r.order_id, l ->> 'sku' as sku, sum((l ->> 'quantity')::bigint) as quantity
    from stock_return r, jsonb_array_elements(r.lines) as l group by 1, 2
  )
  select s.sku, s.received, s.on_hand as "onHand", s.held, s.sold, s.version,
    coalesce((select sum(quantity) from line where line.sku = s.sku and status = 'held'), 0)::bigint as "heldByOrders",
    coalesce((select sum(line.quantity - coalesce(returned.quantity, 0)) from line
      left join returned using (order_id, sku) where line.sku = s.sku and status = 'sold'), 0)::bigint as "soldToOrders",
    (select count(*) from movement m where m.sku = s.sku) as changes
  from stock s`;

async function checkStock(round: Round, received: ReadonlyMap<string, number>): Promise<void> {
  const { rows } = await round.plain.query<StockRow>(stockSql);
  for (const row of rows) {
    const promised = row.heldByOrders + row.soldToOrders;
    const start = received.get(row.sku) as number;
    if (promised > start) {
      round.violate('stock is never oversold', `${row.sku}: ${promised} units promised to orders, of ${start}`);
    }
    const isConserved =
      row.received === start &&
      row.received === row.onHand + row.held + row.sold &&
      row.held === row.heldByOrders &&
      row.sold === row.soldToOrders;
    if (!isConserved) round.violate('units are conserved', JSON.stringify(row));
    if (row.changes !== row.version) {
      round.violate('each change of a SKU is one movement', `${row.sku}: ${row.changes} of ${row.version}`);
    }
  }
}

/** A hold that can't end by time has one answer for ever. */
function checkAnswers(round: Round, told: readonly Told[], orders: readonly Order[]): void {
  for (const order of orders) {
    const answers = new Set(told.filter((one) => one.order === order).map(({ answer }) => answer));
    if (answers.size > 1 && order.expiresInMs === never) {
      round.violate('one result per order', `${order.orderId} was told to be held, and to be refused`);
    }
  }
}

/** Events of one SKU are written under its row's lock, so their order is that of the versions. */
async function checkEvents({ plain, violate }: { plain: Database; violate: Round['violate'] }): Promise<void> {
  const { rows } = await plain.query<{ key: string; versions: readonly number[] }>(
    `select key, array_agg((envelope -> 'data' ->> 'version')::int order by id) as versions from outbox group by key`,
  );
  for (const { key, versions } of rows) {
    if (versions.some((version, i) => i > 0 && version <= (versions[i - 1] as number))) {
      violate('events of one key are in the order of the commits', `${key}: versions ${versions.join(', ')}`);
    }
  }
}
