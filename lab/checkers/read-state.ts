import type { Database } from '#kit/runtime';
import type { Movement } from '#services/payments/sandbox';
import type { Row, SectionName, Sections } from './history/index.ts';

export interface BookSources {
  readonly orders: Database;
  readonly inventory: Database;
  readonly payments: Database;
  readonly log: Database;
  readonly provider: () => Promise<readonly Movement[]>;
}

/** The sections that `readState` reads: what the services own. What readers of events keep is not among them. */
export type FinalState = Omit<Sections, 'applied' | 'views' | 'models' | 'deadLetters'>;

const event = `envelope ->> 'id' as "eventId", envelope ->> 'type' as type, envelope ->> 'subject' as "orderId",
  envelope ->> 'hlc' as hlc`;

const queries = {
  orders: {
    orders: `select id, state, total_minor as "totalMinor", refunded_minor as "refundedMinor", scope,
      business_key as "businessKey", lines, returns from customer_order order by id`,
    sagas: `select id, definition, status, step, input ->> 'orderId' as "orderId" from saga order by id`,
    claims: `select 'orders' as database, scope, key, reference, result is not null as done from idempotency_key
      order by scope, key`,
    outbox: `select ${event} from outbox order by id`,
  },
  inventory: {
    claims: `select 'inventory' as database, scope, key, reference, result is not null as done from idempotency_key
      order by scope, key`,
    stock: `select holder, sku, received, on_hand as "onHand", held, sold, written_off as "writtenOff", sent, arrived,
      version from stock order by holder, sku`,
    movements: `select holder, sku, version, kind, quantity, reference from movement order by holder, sku, version`,
    holds: 'select order_id as "orderId", status, lines from hold order by order_id',
    returns: 'select return_id as "returnId", order_id as "orderId", lines from stock_return order by return_id',
  },
  payments: {
    payments: `select order_id as "orderId", status, captured_minor as "capturedMinor",
      refunded_minor as "refundedMinor" from payment order by order_id`,
    refunds: `select refund_id as "refundId", order_id as "orderId", amount_minor as "amountMinor", status from refund
      order by refund_id`,
  },
  log: {
    log: `select partition, "offset"::int as "offset", ${event} from log_event where topic = 'orders'
      order by partition, "offset"`,
  },
} as const satisfies Record<string, Partial<Record<SectionName, string>>>;

/** Reads everything the checkers look at, straight from the tables. Not one snapshot: read it when all is quiet. */
export async function readState(sources: BookSources): Promise<FinalState> {
  const read = async <Name extends SectionName>(database: Database, _name: Name, sql: string) =>
    (await database.query<Row<Name> & object>(sql)).rows.map(withoutNulls);
  const { orders, inventory, payments, log, provider } = sources;
  const [orderRows, sagas, claims, moreClaims, outbox, stock, movements, holds, returns, paymentRows, refunds, events] =
    await Promise.all([
      read(orders, 'orders', queries.orders.orders),
      read(orders, 'sagas', queries.orders.sagas),
      read(orders, 'claims', queries.orders.claims),
      read(inventory, 'claims', queries.inventory.claims),
      read(orders, 'outbox', queries.orders.outbox),
      read(inventory, 'stock', queries.inventory.stock),
      read(inventory, 'movements', queries.inventory.movements),
      read(inventory, 'holds', queries.inventory.holds),
      read(inventory, 'returns', queries.inventory.returns),
      read(payments, 'payments', queries.payments.payments),
      read(payments, 'refunds', queries.payments.refunds),
      read(log, 'log', queries.log.log),
    ]);
  return {
    orders: orderRows,
    sagas,
    claims: [...claims, ...moreClaims],
    outbox,
    stock,
    movements,
    holds,
    returns,
    payments: paymentRows,
    refunds,
    log: events,
    ledger: await provider(),
  };
}

/** A column that is null is a field that is not there, as in a recorded history. */
function withoutNulls<T extends object>(row: T): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as T;
}
