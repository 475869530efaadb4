import type { OrderEvent } from '#contracts/orders';
import { webhookTypes } from '#contracts/webhooks';
import type { Evidence, Row } from '#lab/checkers';
import type { Sandbox } from '#services/payments/sandbox';
import type { LineMap } from '../../services/carts/lines.ts';
import type { DatabaseServer } from './database-server.ts';
import type { DoorBook } from './door/book.ts';
import type { ErrandBook } from './errands.ts';
import { type Attempt, operationsOf } from './history.ts';
import type { MailServer } from './mail.ts';
import type { News } from './newsroom.ts';
import type { Session } from './pglite/session.ts';
import type { DatabaseName, NemesisEvent, Plan } from './plan.ts';
import { type ProductSalesFact, type SalesFact, salesModels, type TillSales } from './sales.ts';
import type { ToldEvent } from './webhooks/check.ts';
import type { Delivered, Merchants } from './webhooks/merchants.ts';

/**
 * What is left when all is quiet: the rows of every database, the provider's books, and what the users saw, in the words
 * of lab/checkers; and what the services that follow the log have made of it.
 */
export interface Facts extends Evidence {
  readonly orders: readonly (Row<'orders'> & { readonly customerId?: string | null })[];
  readonly outbox: readonly Row<'outbox'>[];
  readonly log: readonly LogFact[];
  /** Letters that notifications has written. */
  readonly letters: readonly LetterFact[];
  /** What the mail server has taken. */
  readonly mails: MailServer['taken'];
  /** Events of which notifications has given up to tell. */
  readonly givenUp: readonly string[];
  /** Who follows the log in this run. Where analytics does, `models` has its figures. */
  readonly followers: { readonly reader: boolean; readonly notifications: boolean };
  /** What people know of their errands, and the rows that it is held against. */
  readonly errands: ErrandBook;
  readonly carts: readonly CartFact[];
  readonly checkouts: readonly CheckoutFact[];
  readonly tillEntries: readonly { readonly saleId: string | null; readonly settled: boolean }[];
  readonly news: readonly News[];
  /** Events of accounts and of products, in the order of the log. */
  readonly accountEvents: readonly AccountEventFact[];
  readonly productEvents: readonly ProductEventFact[];
  readonly sessions: readonly { readonly id: string; readonly endedWhy: string | null }[];
  readonly products: readonly ProductFact[];
  /** Events of accounts and products that wait to be told. */
  readonly waiting: number;
  /** What merchants have got, what webhooks keeps of it, and what it has given up to tell. */
  readonly delivered: readonly Delivered[];
  readonly deliveries: readonly DeliveryFact[];
  readonly notPosted: readonly string[];
  /** Events that merchants may hear of, in the order of the log. */
  readonly told: readonly ToldEvent[];
  /** By how much clocks of processes were set, at most. */
  readonly clockStepMsMax: number;
  /** What the doors were asked and answered, and what they wrote down of it. */
  readonly door: DoorBook;
  readonly audit: readonly AuditFact[];
  /** Every row of every table. */
  readonly tables: readonly { readonly database: string; readonly row: string }[];
  /** Somebody has set the clock by which the assistant says how old its knowledge is. */
  readonly isAssistantsClockSet: boolean;
}

interface DeliveryFact {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly replayOf: string | null;
}
export interface AuditFact {
  readonly correlationId: string;
  readonly operation: string;
  readonly status: number;
  readonly actorKind: string;
}
interface AccountEventFact {
  readonly eventId: string;
  readonly type: string;
  readonly role: string | null;
  readonly sessionId: string | null;
}
interface ProductFact {
  readonly id: string;
  readonly version: number;
  readonly attributes: Readonly<Record<string, string>>;
  /** By SKU, in the one currency that there is. */
  readonly prices: Readonly<Record<string, number>>;
}
interface ProductEventFact extends Pick<ProductFact, 'version' | 'prices'> {
  readonly productId: string;
}

interface CartFact {
  readonly id: string;
  readonly customerId: string | null;
  readonly lines: LineMap;
}
interface CheckoutFact {
  readonly businessKey: string;
  readonly cartId: string;
  readonly state: string;
  readonly orderId: string | null;
}

export interface LogFact extends Row<'log'> {
  readonly data: Pick<OrderEvent, 'channel' | 'totalMinor' | 'lines' | 'refundMinor' | 'returned'>;
}
export interface LetterFact {
  readonly id: string;
  readonly eventId: string;
  readonly template: string;
  readonly status: string;
}

const claimsSql = (database: string) =>
  `select '${database}' as database, scope, key, reference, result is not null as done from idempotency_key order by scope, key`;

const queries = {
  orders: `select id, customer_id as "customerId", state, total_minor as "totalMinor", refunded_minor as "refundedMinor", lines, returns, scope,
    business_key as "businessKey" from customer_order order by id`,
  sagas: `select id, definition, status, step, input ->> 'orderId' as "orderId" from saga order by id`,
  outbox: `select envelope ->> 'id' as "eventId", envelope ->> 'type' as type, key as "orderId",
    envelope ->> 'hlc' as hlc from outbox order by id`,
  stock: `select holder, sku, received, on_hand as "onHand", held, sold, written_off as "writtenOff", sent, arrived, version
    from stock order by holder, sku`,
  movements: `select holder, sku, version, kind, quantity, reference from movement order by holder, sku, version`,
  holds: 'select order_id as "orderId", status, lines from hold order by order_id',
  returns: 'select return_id as "returnId", order_id as "orderId", sellable, lines from stock_return order by 1',
  payments: `select order_id as "orderId", status, captured_minor as "capturedMinor", refunded_minor as "refundedMinor"
    from payment order by order_id`,
  refunds: `select refund_id as "refundId", order_id as "orderId", amount_minor as "amountMinor", status from refund
    order by refund_id`,
  log: `select partition, "offset", envelope ->> 'id' as "eventId", envelope ->> 'type' as type,
    envelope ->> 'subject' as "orderId", envelope ->> 'hlc' as hlc, envelope -> 'data' as data from log_event where topic = 'orders' order by partition, "offset"`,
  applied: 'select id, event_id as "eventId", order_id as "orderId", type from applied order by id',
  views: 'select order_id as "orderId", state, events from order_view order by order_id',
  deadLetters: 'select event_id as "eventId", key as "orderId" from dead_letter order by id',
  letters: 'select id, event_id as "eventId", template, status from notification order by id',
  sales: `select coalesce(sum(orders), 0)::bigint as orders, coalesce(sum(units), 0)::bigint as units,
    coalesce(sum(gross_minor), 0)::bigint as "grossMinor", coalesce(sum(refunded_minor), 0)::bigint as "refundedMinor",
    coalesce(sum(returned_units), 0)::bigint as "returnedUnits",
    coalesce(sum(cancelled_orders), 0)::bigint as "cancelledOrders",
    coalesce(sum(refused_orders), 0)::bigint as "refusedOrders" from sales_hour`,
  tillSales: `select envelope -> 'data' as data from log_event where topic = 'tills' and envelope ->> 'type' = 'till.sold'
    order by partition, "offset"`,
  carts: 'select id, customer_id as "customerId", lines from cart order by id',
  checkouts: `select business_key as "businessKey", cart_id as "cartId", state, order_id as "orderId" from checkout
    order by business_key`,
  tillEntries: 'select sale_id as "saleId", settled from entry order by till_id, seq',
  accountEvents: `select envelope ->> 'id' as "eventId", envelope ->> 'type' as type, envelope -> 'data' ->> 'role' as role,
    envelope -> 'data' ->> 'sessionId' as "sessionId" from log_event where topic = 'users' order by partition, "offset"`,
  productEvents: `select envelope -> 'data' -> 'product' as product from log_event where topic = 'products'
    order by partition, "offset"`,
  sessions: 'select id, ended_why as "endedWhy" from session order by id',
  products: `select id, version, body from product order by id`,
  availability: 'select sku, available from variant order by sku',
  deliveries: 'select id, status, attempts, replay_of as "replayOf" from delivery order by id',
  told: `select envelope ->> 'type' as type, envelope ->> 'time' as time, envelope -> 'data' as data from log_event
    where topic in ('orders', 'products', 'inventory') order by topic, partition, "offset"`,
  audit: `select correlation_id as "correlationId", operation, status, actor_kind as "actorKind" from audit_entry
    order by id`,
  waiting: 'select count(*)::bigint as count from outbox',
  copies: 'select id, version from product_copy order by id',
  productSales: `select sku, sum(units)::bigint as units,
    sum(returned_units)::bigint as "returnedUnits" from sales_product group by sku order by sku`,
} as const;

export interface FactSources {
  readonly databases: ReadonlyMap<DatabaseName, DatabaseServer>;
  readonly sandbox: Sandbox;
  readonly mail: MailServer;
  readonly attempts: readonly Attempt[];
  readonly plan: Pick<Plan, 'readers' | 'listeners' | 'storefront' | 'nemesis'>;
  readonly errands: ErrandBook;
  readonly news: readonly News[];
  readonly merchants: Merchants;
  readonly doorBook: DoorBook;
}

/**
 * Each part is read when it is first looked at, and then it stays: whoever only wants to know whether all is quiet is done
 * with the first thing that is not. So look at all of it before the run goes on.
 */
export function collectFacts(sources: FactSources): Facts {
  const { databases, sandbox, mail, attempts, plan, errands, news, merchants, doorBook } = sources;
  const rows = <T>(database: DatabaseName, sql: string): readonly T[] =>
    (databases.get(database)?.session.run(sql, []).rows ?? []) as readonly T[];
  const { notifications, analytics, assistant } = plan.listeners;
  const hasCatalogue = plan.storefront.products > 0;
  const productsNow = () =>
    rows<StoredProduct>('products', queries.products).map(({ id, version, body }) => ({
      ...{ id, version, attributes: body.attributes, prices: pricesOf(body) },
    }));
  const facts = lazily<Facts>({
    orders: () => rows('orders', queries.orders),
    sagas: () => rows('orders', queries.sagas),
    claims: () => [
      ...rows<Row<'claims'>>('orders', claimsSql('orders')),
      ...rows<Row<'claims'>>('inventory', claimsSql('inventory')),
      ...rows<Row<'claims'>>('carts', claimsSql('carts')),
      ...rows<Row<'claims'>>('tills', claimsSql('tills')),
    ],
    outbox: () => rows('orders', queries.outbox),
    stock: () => rows('inventory', queries.stock),
    movements: () => rows('inventory', queries.movements),
    holds: () => rows('inventory', queries.holds),
    returns: () => rows('inventory', queries.returns),
    payments: () => rows('payments', queries.payments),
    refunds: () => rows('payments', queries.refunds),
    log: () => rows<LogFact>('log', queries.log),
    ...(plan.readers > 0
      ? {
          applied: () => rows<Row<'applied'>>('log', queries.applied),
          views: () => rows<Row<'views'>>('log', queries.views),
          deadLetters: () => rows<Row<'deadLetters'>>('log', queries.deadLetters),
        }
      : {}),
    letters: () => rows('notifications', queries.letters),
    mails: () => mail.taken,
    ...(analytics + assistant > 0 || hasCatalogue ? { models } : {}),
    givenUp: () => rows<{ eventId: string }>('notifications', queries.deadLetters).map(({ eventId }) => eventId),
    ledger: () => sandbox.ledger.entries(),
    operations: () => operationsOf(attempts),
    followers: () => ({ reader: plan.readers > 0, notifications: notifications > 0 }),
    errands: () => errands,
    carts: () => rows('carts', queries.carts),
    checkouts: () => rows('carts', queries.checkouts),
    tillEntries: () => rows('tills', queries.tillEntries),
    news: () => news,
    accountEvents: () => rows('log', queries.accountEvents),
    productEvents: () => (hasCatalogue ? rows<ToldProduct>('log', queries.productEvents).map(toldOf) : []),
    sessions: () => rows('users', queries.sessions),
    products: productsNow,
    waiting: () => waiting('users') + waiting('products') + waiting('inventory'),
    delivered: () => merchants.taken,
    deliveries: () => rows('webhooks', queries.deliveries),
    notPosted: () => rows<{ eventId: string }>('webhooks', queries.deadLetters).map(({ eventId }) => eventId),
    told: () => rows<ToldEvent>('log', queries.told).filter(({ type }) => isForMerchants(type)),
    clockStepMsMax: () => Math.max(0, ...plan.nemesis.map(stepOfProcess)),
    door: () => doorBook,
    audit: () => rows('gateway', queries.audit),
    tables: () => [...databases].flatMap(([database, { session }]) => dumpTables(session, database)),
    isAssistantsClockSet: () =>
      plan.nemesis.some(({ kind, ...at }) => kind === 'clock-step' && 'node' in at && at.node === 'assistant-1'),
  });
  return facts;

  function waiting(database: DatabaseName): number {
    return Number(rows<{ count: number }>(database, queries.waiting)[0]?.count ?? 0);
  }

  /** What the catalogue shows as available, against the shop's own stock. */
  function availability(): Row<'models'>[] {
    const shown = new Map(
      rows<{ sku: string; available: boolean | null }>('products', queries.availability).map((row) => [row.sku, row]),
    );
    const own = rows<Row<'stock'>>('inventory', queries.stock).filter(({ holder }) => holder === 'main');
    return own
      .filter(({ sku }) => shown.has(sku))
      .map(({ sku, onHand }) => ({
        ...{ model: 'availability', key: sku, source: onHand > 0, copy: shown.get(sku)?.available ?? false },
      }));
  }

  function models(): Row<'models'>[] {
    const copies = new Map(
      rows<{ id: string; version: number }>('assistant', queries.copies).map((row) => [row.id, row]),
    );
    const sold = rows<TillSold>('log', queries.tillSales).map(({ data }) => data);
    const sales = () =>
      salesModels(
        facts.log,
        rows<SalesFact>('analytics', queries.sales)[0],
        rows<ProductSalesFact>('analytics', queries.productSales),
        sold,
      );
    const told = (hasCatalogue ? facts.products : news).map(({ id, version }) => ({
      ...{ model: 'assistant', key: id, source: version, copy: copies.get(id)?.version },
    }));
    return [...(analytics > 0 ? sales() : []), ...(assistant > 0 ? told : []), ...(hasCatalogue ? availability() : [])];
  }
}

function lazily<T extends object>(parts: { readonly [Name in keyof T]: () => T[Name] }): T {
  const made = {} as T;
  for (const [name, read] of Object.entries(parts) as [keyof T, () => unknown][]) {
    Object.defineProperty(made, name, {
      ...{ enumerable: true, configurable: true },
      get() {
        const value = read();
        Object.defineProperty(made, name, { enumerable: true, value });
        return value;
      },
    });
  }
  return made;
}

const isForMerchants = (type: string): boolean => (webhookTypes as readonly string[]).includes(type);

const stepOfProcess = (event: NemesisEvent): number =>
  event.kind === 'clock-step' && !event.node.startsWith('db-') ? Math.abs(event.byMs) : 0;

interface ProductBody {
  readonly attributes: Readonly<Record<string, string>>;
  readonly variants: readonly { readonly sku: string; readonly prices: readonly { readonly amountMinor: number }[] }[];
}
interface StoredProduct {
  readonly id: string;
  readonly version: number;
  readonly body: ProductBody;
}
interface ToldProduct {
  readonly product: ProductBody & Pick<StoredProduct, 'id' | 'version'>;
}

const pricesOf = ({ variants }: ProductBody): Record<string, number> =>
  Object.fromEntries(variants.map(({ sku, prices }) => [sku, prices[0]?.amountMinor ?? 0]));

const toldOf = ({ product }: ToldProduct): ProductEventFact => ({
  ...{ productId: product.id, version: product.version, prices: pricesOf(product) },
});

interface TillSold {
  readonly data: TillSales;
}

const tablesSql = `
  select table_name::text as name from information_schema.tables
  where table_schema = 'public' and table_name not like 'schema\\_%' order by 1`;

/** Every row of every table as text, for the digest. The tables of migrations tell when the image was made. */
export function dumpTables(session: Session, database: string): Facts['tables'] {
  const tables = session.run(tablesSql, []).rows as readonly { name: string }[];
  return tables.flatMap(({ name }) =>
    session
      .run(`select t::text as row from ${name} t order by 1`, [])
      .rows.map((row) => ({ database, row: `${name} ${row['row']}` })),
  );
}
