import { createOutbox, createPostgresLog } from '#kit/messaging';
import type { Database } from '#kit/runtime';
import { type BatchWriter, createBatchWriter } from '#kit/store';
import type { Command, CommandResult } from '../../../services/inventory/commands.ts';
import type { StockRecall } from '../../../services/inventory/recall.ts';
import type { Round } from '../rig.ts';
import { crowd, roadblock, type Workload } from '../workload.ts';

/** What holds and returns leave behind. */
export const tables = ['stock', 'hold', 'movement', 'stock_return', 'stock_change', 'idempotency_key', 'outbox'];

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
    const shops: Shop[] = [];
    for (let i = crowd(round); i > 0; i--) shops.push(await openShop(round, `shop-${i}`));
    const clients = shops.flatMap((shop) =>
      Array.from({ length: round.between(1, 3) }, () => drawTasks(round, shop, orders, likelyHolds, 5)),
    );
    await sell(round, received, clients);
  },
};

/** One instance of inventory. */
export type Shop = BatchWriter<Command, CommandResult>;

/** Each client does its tasks one after the other, beside the other clients. */
export async function sell(
  round: Round,
  received: ReadonlyMap<string, number>,
  clients: readonly (readonly Step[])[],
): Promise<void> {
  await receive(round, received);
  const told: Told[] = [];
  const programs = clients.map((steps, i) => () => shopAround(steps, told, `${i}`));
  await round.run([...programs, await roadblock(round, lockStockSql, [...received.keys()])]);
  await checkStock(round, received);
  checkAnswers(round, told);
  await checkEvents(round);
}

/** What a client does with an order that it picks, and how often. */
export type Likely = Readonly<Record<Task['kind'], number>>;
const likelyHolds: Likely = { hold: 1, commit: 0.6, release: 0.3, expire: 0.2, restock: 0.2 };

export interface Order {
  readonly orderId: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly expiresInMs: number;
}

export interface Task {
  readonly shop: Shop;
  readonly kind: 'hold' | 'commit' | 'release' | 'expire' | 'restock';
  readonly order: Order;
}

/** What a client does next: ask for something, or for several things as it likes. */
export type Step = Task | ((ask: (task: Task) => Promise<void>) => Promise<void>);

interface Told {
  readonly order: Order;
  readonly answer: 'held' | 'refused';
}

export const never = 3_600_000;
export const lockStockSql = 'select from stock where sku = $1 for update';

export function drawOrders(round: Round, skus: readonly string[], ordersMax: number): Order[] {
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

export function drawTasks(
  round: Round,
  shop: Shop,
  orders: readonly Order[],
  likely: Likely,
  tasksMax: number,
): Task[] {
  const tasks: Task[] = [];
  for (let i = round.between(1, tasksMax); i > 0; i--) {
    const order = round.pick(orders);
    for (const kind of ['hold', 'commit', 'release', 'expire', 'restock'] as const) {
      if (likely[kind] === 1 || round.chance(likely[kind])) tasks.push({ shop, kind, order });
    }
  }
  return tasks;
}

export async function openShop(round: Round, name: string, recall?: StockRecall): Promise<Shop> {
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

async function shopAround(steps: readonly Step[], told: Told[], name: string): Promise<void> {
  for (const [i, step] of steps.entries()) {
    const asking = (task: Task) => ask(task, told, `ret-${name}-${i}`);
    await (typeof step === 'function' ? step(asking) : asking(step));
  }
}

async function ask({ shop, kind, order }: Task, told: Told[], returnId: string): Promise<void> {
  try {
    const { hold } = await shop.submit(commandOf(kind, order, returnId));
    if (kind === 'hold' && hold) told.push({ order, answer: hold.status === 'refused' ? 'refused' : 'held' });
  } catch (error) {
    if (!isAnswer(error)) throw error;
    if (kind === 'hold' && (error as { code?: string }).code?.endsWith('out-of-stock')) {
      told.push({ order, answer: 'refused' });
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
function checkAnswers(round: Round, told: readonly Told[]): void {
  for (const [order, ofOrder] of Map.groupBy(told, (one) => one.order)) {
    const answers = new Set(ofOrder.map(({ answer }) => answer));
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
