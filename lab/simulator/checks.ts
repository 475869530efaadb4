import { doubleCharges, moneyByOrder, type OrderMoney } from '#services/payments/sandbox';
import type { Check } from './check.ts';
import type { Facts, OrderFact } from './facts.ts';
import { lettersMatchEvents, salesMatchEvents } from './follower-checks.ts';
import type { Attempt } from './history.ts';

const paidStates = new Set(['confirmed', 'returned']);

function accepted(facts: Facts): { readonly attempt: Attempt; readonly id: string; readonly state: string }[] {
  return facts.attempts.flatMap((attempt) => {
    if (attempt.kind !== 'place' || 'problem' in attempt.outcome) return [];
    const { id, state } = attempt.outcome.body as { id: string; state: string };
    return [{ attempt, id, state }];
  });
}

/** An acknowledged order exists for ever, and what was said of it stays true. */
export const acceptedOrdersStay: Check = {
  name: 'an accepted order is never lost',
  size: (facts) => accepted(facts).length,
  *find(facts) {
    const orders = new Map(facts.orders.map((order) => [order.id, order]));
    for (const { attempt, id, state } of accepted(facts)) {
      const order = orders.get(id);
      if (!order) yield `${id} was acknowledged (operation ${attempt.operation}) and is gone`;
      else if (order.state === 'received') yield `${id} was never decided`;
      else if (state === 'confirmed' && order.state === 'refused')
        yield `${id} was confirmed to its buyer and is refused`;
      else if (state === 'refused' && order.state !== 'refused')
        yield `${id} was refused to its buyer and is ${order.state}`;
    }
  },
};

/** One business operation, one order: however often it was sent. */
export const oneOrderAKey: Check = {
  name: 'a repeat makes no second order',
  size: (facts) => facts.orders.length,
  *find(facts) {
    const seen = new Map<string, string>();
    for (const { id, scope, businessKey } of facts.orders) {
      const name = `${scope} ${businessKey}`;
      const other = seen.get(name);
      if (other) yield `${businessKey} made ${other} and ${id}`;
      seen.set(name, id);
    }
    const ids = new Map<string, string>();
    for (const { attempt, id } of accepted(facts)) {
      const key = attempt.key ?? '';
      const other = ids.get(key);
      if (other !== undefined && other !== id) yield `${key} was answered with ${other} and with ${id}`;
      ids.set(key, id);
    }
  },
};

/** Charged once, and exactly when the order stands: by the provider's own books. */
export const chargedOnce: Check = {
  name: 'nobody is charged twice, and charged means confirmed',
  size: (facts) => facts.money.length,
  *find(facts) {
    for (const { orderId, charged } of doubleCharges(facts.money)) yield `${orderId} was charged ${charged.size} times`;
    const money = moneyByOrder(facts.money);
    const orders = new Map(facts.orders.map((order) => [order.id, order]));
    for (const [orderId, sums] of money) {
      if (!orders.has(orderId)) yield* moneyKept(orderId, sums, 'which does not exist');
    }
    const left = leftToPeople(facts);
    for (const order of facts.orders) {
      if (left.has(order.id)) continue;
      const sums = money.get(order.id);
      if (paidStates.has(order.state)) yield* paidInFull(order, sums);
      else if (sums && order.state !== 'received' && order.state !== 'cancelling') {
        yield* moneyKept(order.id, sums, `which is ${order.state}`);
      }
    }
  },
};

/**
 * Orders that an operator gave up after they were confirmed: money and changes of them are for people to settle. Refunds
 * wait for a capture that will not come.
 */
function leftToPeople(facts: Facts): Set<string> {
  return new Set(facts.sagas.filter(({ status }) => status === 'abandoned').map(({ orderId }) => orderId));
}

function* moneyKept(orderId: string, { netMinor, heldMinor }: OrderMoney, why: string): Iterable<string> {
  if (netMinor !== 0) yield `${netMinor} kept of ${orderId}, ${why}`;
  if (heldMinor !== 0) yield `${heldMinor} still set aside for ${orderId}, ${why}`;
}

function* paidInFull(order: OrderFact, sums: OrderMoney | undefined): Iterable<string> {
  const wanted = order.totalMinor - order.refundedMinor;
  const net = sums?.netMinor ?? 0;
  if (net !== wanted) yield `${order.id} is ${order.state}: ${wanted} to be kept, the provider has ${net}`;
  if (sums && sums.heldMinor !== 0) yield `${order.id} is ${order.state} and ${sums.heldMinor} is still set aside`;
}

/** Every unit is in one place; the journal tells the same; sold is what standing orders bought. */
export const unitsAreConserved: Check = {
  name: 'units are conserved and never oversold',
  size: (facts) => facts.stock.length + facts.movements.length,
  *find(facts) {
    const soldTo = unitsSold(facts);
    for (const row of facts.stock) {
      const { sku, received, onHand, held, sold, writtenOff } = row;
      if (received !== onHand + held + sold + writtenOff)
        yield `${sku}: ${received} received, places sum to another number`;
      for (const [name, units] of Object.entries({ received, onHand, held, sold, writtenOff })) {
        if (units < 0) yield `${sku}: ${name} is ${units}`;
      }
      const wanted = soldTo.get(sku) ?? 0;
      if (sold !== wanted) yield `${sku}: ${sold} sold, standing orders bought ${wanted}`;
    }
    yield* journalAgrees(facts);
  },
};

function unitsSold(facts: Facts): Map<string, number> {
  const units = new Map<string, number>();
  const add = (sku: string, quantity: number) => void units.set(sku, (units.get(sku) ?? 0) + quantity);
  const left = leftToPeople(facts);
  for (const order of facts.orders) {
    if (!paidStates.has(order.state) || left.has(order.id)) continue;
    for (const { sku, quantity } of order.lines) if (sku) add(sku, quantity);
    for (const entry of order.returns) {
      if (entry.state === 'done') for (const { sku, quantity } of entry.lines) add(sku, -quantity);
    }
  }
  // Their changes stand half done until somebody settles them, so here inventory's own books are believed.
  for (const { orderId, status, lines } of facts.holds) {
    if (left.has(orderId) && status === 'sold') for (const [sku, quantity] of lines) add(sku, quantity);
  }
  for (const { orderId, lines } of facts.returns) {
    const isSold = facts.holds.some((hold) => hold.orderId === orderId && hold.status === 'sold');
    if (left.has(orderId) && isSold) for (const { sku, quantity } of lines) add(sku, -quantity);
  }
  return units;
}

/** What each kind of movement does to the units on the shelf. */
const shelf: Readonly<Record<string, number>> = {
  receive: 1,
  find: 1,
  hold: -1,
  release: 1,
  expire: 1,
  restock: 1,
  commit: 0,
};

/** Whether a write-off took units from the shelf; returned goods are written off straight from the buyer. */
function replay(facts: Facts): Map<string, number[]> {
  const returned = new Set(facts.returns.map(({ returnId }) => returnId));
  const history = new Map<string, number[]>();
  for (const { sku, kind, quantity, reference } of facts.movements) {
    const levels = history.get(sku) ?? [0];
    const sign = kind === 'write-off' ? (returned.has(reference) ? 0 : -1) : (shelf[kind] ?? Number.NaN);
    levels.push((levels.at(-1) ?? 0) + sign * quantity);
    history.set(sku, levels);
  }
  return history;
}

function* journalAgrees(facts: Facts): Iterable<string> {
  const levels = replay(facts);
  for (const { sku, onHand, version } of facts.stock) {
    const ofSku = levels.get(sku) ?? [0];
    if (ofSku.length - 1 !== version) yield `${sku}: version ${version}, but ${ofSku.length - 1} movements`;
    if (ofSku.at(-1) !== onHand) yield `${sku}: ${onHand} on hand, the journal says ${ofSku.at(-1)}`;
    const below = ofSku.findIndex((units) => units < 0);
    if (below >= 0) yield `${sku}: sold below zero at version ${below}`;
  }
}

/**
 * Linearizable per SKU: each answer about stock names the version it saw, so an answer is right if the journal had that
 * many units at that version, and if it is not older than what anyone had been told before it was asked for.
 */
export const stockIsLinearizable: Check = {
  name: 'stock answers are linearizable per SKU',
  size: (facts) => stockAnswers(facts).length,
  *find(facts) {
    const levels = replay(facts);
    const answers = stockAnswers(facts).sort((a, b) => a.endMs - b.endMs);
    for (const answer of answers) {
      const { sku, available, version } = answer;
      const truth = (levels.get(sku) ?? [0])[version];
      if (truth !== available) yield `${sku} at version ${version}: answered ${available}, the journal says ${truth}`;
      const older = answers.find(
        (other) => other.sku === sku && other.endMs < answer.startMs && other.version > version,
      );
      if (older) yield `${sku}: version ${version} was read after version ${older.version} had been answered`;
    }
  },
};

interface StockSeen {
  readonly sku: string;
  readonly available: number;
  readonly version: number;
  readonly startMs: number;
  readonly endMs: number;
}

function stockAnswers(facts: Facts): StockSeen[] {
  const seen = new Set<string>();
  return facts.attempts.flatMap(({ kind, key, outcome, startMs, endMs }) => {
    if ('problem' in outcome) return [];
    const body = outcome.body as { items?: StockSeen[]; stock?: StockSeen[] };
    const answers = kind === 'look' ? body.items : kind === 'receive' || kind === 'adjust' ? body.stock : undefined;
    // A repeat gets the first answer again, which was true then.
    if (!answers || (key !== undefined && seen.has(key))) return [];
    if (key !== undefined) seen.add(key);
    const since = key === undefined ? startMs : Number.NEGATIVE_INFINITY;
    return answers.map(({ sku, available, version }) => ({ sku, available, version, startMs: since, endMs }));
  });
}

/** The same key gives the same answer; another payload is refused. */
export const repeatsAgree: Check = {
  name: 'a repeat with the same key gets the same answer',
  size: (facts) => facts.attempts.filter((attempt) => attempt.key !== undefined).length,
  *find(facts) {
    const first = new Map<string, string>();
    for (const { kind, key, outcome, operation } of facts.attempts) {
      if (key === undefined) continue;
      if (kind === 'place-mismatch') {
        if (!('problem' in outcome)) yield `operation ${operation}: ${key} was accepted with another payload`;
        continue;
      }
      if ('problem' in outcome || outcome.status === 202) continue;
      const text = canonical(outcome.body);
      const known = first.get(key);
      if (known !== undefined && known !== text) yield `${key} was answered ${known} and ${text}`;
      first.set(key, known ?? text);
    }
  },
};

/** JSON with sorted keys: the order of fields is no part of an answer. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

const openStates = new Set(['received', 'held', 'authorized']);

/** Who was told that an order is decided is never shown it undecided, or gone, afterwards. */
export const readsDoNotGoBack: Check = {
  name: 'reads do not go back in time',
  size: (facts) => facts.attempts.filter(({ kind }) => kind === 'read').length,
  *find(facts) {
    const decidedAtMs = new Map<number, number>();
    for (const { attempt, state } of accepted(facts)) {
      if (openStates.has(state)) continue;
      const known = decidedAtMs.get(attempt.operation) ?? Number.POSITIVE_INFINITY;
      decidedAtMs.set(attempt.operation, Math.min(known, attempt.endMs));
    }
    for (const { kind, operation, startMs, outcome } of facts.attempts) {
      if (kind !== 'read' || !(startMs > (decidedAtMs.get(operation) ?? Number.POSITIVE_INFINITY))) continue;
      if ('problem' in outcome) {
        if (outcome.final) yield `the order of operation ${operation} was read as ${outcome.problem}`;
      } else {
        const { id, state } = outcome.body as { id: string; state: string };
        if (openStates.has(state)) yield `${id} was decided, and then read as ${state}`;
      }
    }
  },
};

const eventOfState: Readonly<Record<string, readonly string[]>> = {
  confirmed: ['order.received', 'order.confirmed'],
  returned: ['order.received', 'order.confirmed', 'order.returned'],
  cancelled: ['order.received', 'order.confirmed', 'order.cancelled'],
  refused: ['order.received', 'order.refused'],
};

/** What happened was published, once; nothing was published that did not happen. */
export const eventsMatchOrders: Check = {
  name: 'each change is published exactly once',
  size: (facts) => facts.log.length + facts.outbox.length,
  *find(facts) {
    const published = new Map<string, Set<string>>();
    const ids = new Set<string>();
    for (const { eventId, orderId, type } of [...facts.log, ...facts.outbox]) {
      if (ids.has(eventId)) yield `${eventId} was published twice`;
      ids.add(eventId);
      published.set(orderId, (published.get(orderId) ?? new Set()).add(type));
    }
    const orders = new Set(facts.orders.map(({ id }) => id));
    for (const orderId of published.keys())
      if (!orders.has(orderId)) yield `events of ${orderId}, which does not exist`;
    for (const { id, state } of facts.orders) {
      const types = published.get(id) ?? new Set();
      for (const type of eventOfState[state] ?? []) if (!types.has(type)) yield `${id} is ${state}, ${type} is missing`;
      if (state === 'refused' && types.has('order.confirmed')) yield `${id} is refused and was published as confirmed`;
      if (state !== 'refused' && types.has('order.refused')) yield `${id} is ${state} and was published as refused`;
    }
  },
};

/** Each event once per consumer, in order per key, and none lost on the way. */
export const eventsAppliedOnce: Check = {
  name: 'each event is applied once, in order per key',
  size: (facts) => facts.applied.length,
  *find(facts) {
    if (facts.messaging && facts.outbox.length > 0) yield `${facts.outbox.length} events were never relayed`;
    if (!facts.followers.reader) return;
    const dead = new Set(facts.deadLetters.map(({ eventId }) => eventId));
    const wanted = new Map<string, string[]>();
    for (const { orderId, eventId } of facts.log) {
      if (!dead.has(eventId)) wanted.set(orderId, [...(wanted.get(orderId) ?? []), eventId]);
    }
    const got = new Map<string, string[]>();
    for (const { orderId, eventId } of facts.applied) got.set(orderId, [...(got.get(orderId) ?? []), eventId]);
    for (const orderId of new Set([...wanted.keys(), ...got.keys()])) {
      const inLog = (wanted.get(orderId) ?? []).join(' ');
      const applied = (got.get(orderId) ?? []).join(' ');
      if (inLog !== applied) yield `${orderId}: the log has ${inLog || 'nothing'}, applied was ${applied || 'nothing'}`;
    }
  },
};

/** A read model equals its source once all is quiet. */
export const viewsConverge: Check = {
  name: 'read models converge',
  size: (facts) => facts.views.length,
  *find(facts) {
    if (!facts.followers.reader) return;
    const views = new Map(facts.views.map((view) => [view.orderId, view]));
    const dead = new Set(facts.deadLetters.map(({ orderId }) => orderId));
    for (const { id, state } of facts.orders) {
      if (dead.has(id)) continue;
      const view = views.get(id);
      if (view?.state !== state) yield `${id} is ${state}, its view says ${view?.state ?? 'nothing'}`;
    }
  },
};

/** Nothing is left hanging: sagas, holds, payments, refunds, keys. */
export const everythingEnds: Check = {
  name: 'everything ends',
  size: (facts) => facts.sagas.length + facts.holds.length + facts.payments.length,
  *find(facts) {
    const left = leftToPeople(facts);
    const waiting = new Set(facts.sagas.filter(({ orderId }) => left.has(orderId)).map(({ id }) => id));
    for (const { id, definition, status, step } of facts.sagas) {
      if (waiting.has(id)) continue;
      if (status === 'running' || status === 'compensating' || status === 'stuck')
        yield `saga ${definition} ${id} is ${status} at step ${step}`;
    }
    for (const { orderId, status } of facts.holds) if (status === 'held') yield `${orderId} still holds units`;
    for (const { sku, held } of facts.stock) if (held !== 0) yield `${sku}: ${held} units are held by nobody`;
    for (const { orderId, status } of facts.payments) {
      if (left.has(orderId)) continue;
      if (status === 'requested' || status === 'voiding' || status === 'authorized')
        yield `the payment of ${orderId} is ${status}`;
    }
    for (const { refundId, status } of facts.refunds) if (status === 'requested') yield `refund ${refundId} is open`;
    for (const { database, key, done, reference } of facts.claims)
      if (!done && !waiting.has(reference ?? '')) yield `${database}: the key ${key} is in flight for ever`;
    for (const { id, state } of facts.orders) {
      if (state === 'received' || (state === 'cancelling' && !left.has(id))) yield `${id} is ${state} for ever`;
    }
  },
};

export const checks: readonly Check[] = [
  acceptedOrdersStay,
  oneOrderAKey,
  chargedOnce,
  unitsAreConserved,
  stockIsLinearizable,
  repeatsAgree,
  readsDoNotGoBack,
  eventsMatchOrders,
  eventsAppliedOnce,
  viewsConverge,
  lettersMatchEvents,
  salesMatchEvents,
  everythingEnds,
];

/** Whether a run may end: nothing is on its way any more. */
export function isQuiet(facts: Facts): boolean {
  for (const check of [everythingEnds, lettersMatchEvents, salesMatchEvents]) {
    for (const _ of check.find(facts)) return false;
  }
  if (facts.messaging && facts.outbox.length > 0) return false;
  return !facts.followers.reader || facts.applied.length + facts.deadLetters.length >= facts.log.length;
}
