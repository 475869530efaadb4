/** How the rows are read that `fact-rows.ts` describes. */

export const claimsSql = (database: string) =>
  `select '${database}' as database, scope, key, reference, result is not null as done from idempotency_key order by scope, key`;

export const queries = {
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
