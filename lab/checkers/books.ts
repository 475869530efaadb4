import { type Movement as Money, moneyByOrder } from '#services/payments/sandbox';

/** All that the guarantees of an order speak of, read when the system is quiet. Rows of databases, nothing computed. */
export interface Books {
  readonly orders: readonly BookOrder[];
  readonly sagas: readonly { readonly id: string; readonly status: string }[];
  readonly stock: readonly BookStock[];
  readonly holds: readonly { readonly orderId: string; readonly status: string; readonly lines: readonly Units[] }[];
  readonly movements: readonly {
    readonly sku: string;
    readonly version: number;
    readonly kind: string;
    readonly quantity: number;
    readonly reference: string;
  }[];
  readonly payments: readonly {
    readonly orderId: string;
    readonly status: string;
    readonly amountMinor: number;
    readonly capturedMinor: number;
    readonly refundedMinor: number;
  }[];
  /** Events of orders in the log, in order within each partition. */
  readonly events: readonly { readonly type: string; readonly orderId: string }[];
  /** Rows of the outbox that were not relayed. */
  readonly unrelayed: number;
  /** The provider's own ledger: the witness from outside. */
  readonly provider: readonly Money[];
}

export interface BookOrder {
  readonly id: string;
  readonly state: string;
  readonly totalMinor: number;
  readonly refundedMinor: number;
  readonly scope: string;
  readonly businessKey: string;
  readonly goods: readonly Units[];
}

export interface Units {
  readonly sku: string;
  readonly quantity: number;
}

export interface BookStock {
  readonly sku: string;
  readonly received: number;
  readonly onHand: number;
  readonly held: number;
  readonly sold: number;
  readonly writtenOff: number;
  readonly version: number;
}

/** What a client was told. */
export interface Accepted {
  readonly key: string;
  readonly orderId: string;
  /** The decision, where it was told: `confirmed` or `refused`. */
  readonly state: string | undefined;
}

export interface Violation {
  /** The guarantee of DESIGN §5 that does not hold. */
  readonly guarantee: string;
  readonly detail: string;
}

const decided = new Set(['confirmed', 'refused', 'cancelled', 'returned']);
const kept = new Set(['confirmed', 'returned']);

/** An acknowledged order exists for ever and ends; what a client was told stays true. */
export function checkAccepted(books: Books, accepted: readonly Accepted[]): Violation[] {
  const guarantee = 'an acknowledged order exists for ever and ends';
  const orders = new Map(books.orders.map((order) => [order.id, order]));
  const violations: Violation[] = [];
  for (const { key, orderId, state } of accepted) {
    const order = orders.get(orderId);
    if (!order) violations.push({ guarantee, detail: `${orderId} (key ${key}) was acknowledged and is not there` });
    else if (!decided.has(order.state)) violations.push({ guarantee, detail: `${orderId} is still ${order.state}` });
    else if (state !== undefined && (state === 'refused') !== (order.state === 'refused')) {
      violations.push({ guarantee, detail: `${orderId} was told to be ${state} and is ${order.state}` });
    }
  }
  return violations;
}

/** One order for a key of a caller; the same key always gives the same order. */
export function checkIdempotency(books: Books, accepted: readonly Accepted[]): Violation[] {
  const guarantee = 'a repeat with the same key gives the same answer';
  const violations: Violation[] = [];
  for (const [key, orders] of groupBy(books.orders, (order) => `${order.scope} ${order.businessKey}`)) {
    if (orders.length > 1) violations.push({ guarantee, detail: `key ${key} made ${orders.length} orders` });
  }
  for (const [key, answers] of groupBy(accepted, (answer) => answer.key)) {
    const ids = new Set(answers.map((answer) => answer.orderId));
    if (ids.size > 1) violations.push({ guarantee, detail: `key ${key} was answered with ${[...ids].join(' and ')}` });
  }
  return violations;
}

/** At most one successful charge an order, and what the provider kept is what the order says. */
export function checkMoney(books: Books): Violation[] {
  const guarantee = 'at most one charge per order; charge if and only if confirmed';
  const violations: Violation[] = [];
  const money = moneyByOrder(books.provider);
  const payments = new Map(books.payments.map((payment) => [payment.orderId, payment]));
  for (const order of books.orders) {
    const { charged = new Set(), netMinor = 0, heldMinor = 0 } = money.get(order.id) ?? {};
    const expected = kept.has(order.state) ? order.totalMinor - order.refundedMinor : 0;
    if (charged.size > 1) violations.push({ guarantee, detail: `${order.id} was charged ${charged.size} times` });
    if (netMinor !== expected) {
      violations.push({
        guarantee,
        detail: `${order.id} is ${order.state}: the provider kept ${netMinor}, not ${expected}`,
      });
    }
    if (heldMinor !== 0) violations.push({ guarantee, detail: `${order.id}: ${heldMinor} are still set aside` });
    const payment = payments.get(order.id);
    const booked = payment ? payment.capturedMinor - payment.refundedMinor : 0;
    if (booked !== netMinor) {
      violations.push({ guarantee, detail: `${order.id}: payments says ${booked}, the provider ${netMinor}` });
    }
  }
  const known = new Set(books.orders.map((order) => order.id));
  for (const orderId of money.keys()) {
    if (!known.has(orderId)) violations.push({ guarantee, detail: `${orderId} was charged and is not an order` });
  }
  return violations;
}

/** Units: received = on hand + held + sold + written off; nothing negative; sold is what confirmed orders bought. */
export function checkUnits(books: Books, returned: ReadonlyMap<string, number> = new Map()): Violation[] {
  const guarantee = 'units are conserved, nothing is oversold';
  const violations: Violation[] = [];
  const bought = new Map<string, number>();
  for (const order of books.orders) {
    if (!kept.has(order.state)) continue;
    for (const { sku, quantity } of order.goods) bought.set(sku, (bought.get(sku) ?? 0) + quantity);
  }
  for (const row of books.stock) {
    const { sku, received, onHand, held, sold, writtenOff } = row;
    if (received !== onHand + held + sold + writtenOff || Math.min(onHand, held, sold, writtenOff) < 0) {
      violations.push({ guarantee, detail: `${sku} does not add up: ${JSON.stringify(row)}` });
    }
    const expected = (bought.get(sku) ?? 0) - (returned.get(sku) ?? 0);
    if (sold !== expected) violations.push({ guarantee, detail: `${sku}: ${sold} sold, orders bought ${expected}` });
    if (held !== 0) violations.push({ guarantee, detail: `${sku}: ${held} still held though all is quiet` });
  }
  return violations;
}

/** Versions of a SKU have no gaps and no doubles, and replaying its movements gives its row. */
export function checkJournal(books: Books): Violation[] {
  const guarantee = 'every change of a SKU is journalled once, in order';
  const violations: Violation[] = [];
  const rows = new Map(books.stock.map((row) => [row.sku, row]));
  for (const [sku, movements] of groupBy(books.movements, (movement) => movement.sku)) {
    let onHand = 0;
    let version = 0;
    for (const movement of movements.toSorted((a, b) => a.version - b.version)) {
      version += 1;
      if (movement.version !== version) {
        violations.push({ guarantee, detail: `${sku}: version ${movement.version} where ${version} was expected` });
        break;
      }
      onHand += movement.quantity * (onHandSign[movement.kind] ?? 0);
      if (onHand < 0) violations.push({ guarantee, detail: `${sku}: ${onHand} on hand at version ${version}` });
    }
    const row = rows.get(sku);
    if (row && row.version === version && kindsKnown(movements) && onHand !== row.onHand) {
      violations.push({ guarantee, detail: `${sku}: the journal gives ${onHand} on hand, the row ${row.onHand}` });
    }
    if (row && row.version !== version) {
      violations.push({ guarantee, detail: `${sku}: the row has version ${row.version}, the journal ${version}` });
    }
  }
  return violations;
}

/** What a movement does to the units on hand. Damaged returns never touch them, so `write-off` is not replayed. */
const onHandSign: Readonly<Record<string, number>> = {
  receive: 1,
  find: 1,
  restock: 1,
  hold: -1,
  release: 1,
  expire: 1,
  commit: 0,
};

const kindsKnown = (movements: readonly { readonly kind: string }[]): boolean =>
  movements.every((movement) => movement.kind in onHandSign);

/** Every saga ends; no hold outlives its order. */
export function checkLiveness(books: Books): Violation[] {
  const guarantee = 'every saga ends; no hold outlives its order';
  const violations: Violation[] = [];
  for (const saga of books.sagas) {
    if (saga.status !== 'completed' && saga.status !== 'refused') {
      violations.push({ guarantee, detail: `saga ${saga.id} is ${saga.status}` });
    }
  }
  const orders = new Map(books.orders.map((order) => [order.id, order.state]));
  for (const hold of books.holds) {
    const state = orders.get(hold.orderId) ?? 'unknown';
    const fits = kept.has(state) ? hold.status === 'sold' : hold.status === 'released' || hold.status === 'refused';
    if (!fits)
      violations.push({ guarantee, detail: `the hold of ${hold.orderId} is ${hold.status}, the order ${state}` });
  }
  if (books.unrelayed > 0) violations.push({ guarantee, detail: `${books.unrelayed} events were not relayed` });
  return violations;
}

/** Each order's story is told once and in order. */
export function checkEvents(books: Books): Violation[] {
  const guarantee = 'each event is published once, in order per key';
  const violations: Violation[] = [];
  const told = groupBy(books.events, (event) => event.orderId);
  for (const order of books.orders) {
    const types = (told.get(order.id) ?? []).map((event) => event.type);
    const [first, second] = types;
    const decision = order.state === 'refused' ? 'order.refused' : 'order.confirmed';
    const opening = types.filter((type) => type === 'order.received' || type === decision);
    if (first !== 'order.received' || second !== decision || opening.length !== 2) {
      violations.push({
        guarantee,
        detail: `${order.id} is ${order.state}, its events are ${types.join(', ') || 'none'}`,
      });
    }
  }
  return violations;
}

export function checkBooks(books: Books, accepted: readonly Accepted[]): Violation[] {
  return [
    ...checkAccepted(books, accepted),
    ...checkIdempotency(books, accepted),
    ...checkMoney(books),
    ...checkUnits(books),
    ...checkJournal(books),
    ...checkLiveness(books),
    ...checkEvents(books),
  ];
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
