import { defineCheck } from '../check.ts';
import type { Evidence } from '../history/evidence.ts';
import { leftToPeople, openStates, paidStates } from './people.ts';

/** Nothing is left hanging: sagas, holds, payments, refunds, keys. */
export const everythingEnds = defineCheck({
  name: 'everything ends',
  needs: [],
  size: ({ sagas = [], holds = [], payments = [], refunds = [], claims = [], orders = [] }) =>
    sagas.length + holds.length + payments.length + refunds.length + claims.length + orders.length,
  *find(evidence) {
    const left = leftToPeople(evidence);
    yield* sagasAndKeysEnd(evidence, left);
    yield* holdsEnd(evidence, left);
    for (const { orderId, status } of evidence.payments ?? []) {
      if (!left.has(orderId) && ['requested', 'voiding', 'authorized'].includes(status))
        yield `the payment of ${orderId} is ${status}`;
    }
    for (const { refundId, status } of evidence.refunds ?? []) {
      if (status === 'requested') yield `refund ${refundId} is open`;
    }
    for (const { id, state } of evidence.orders ?? []) {
      if (openStates.has(state) || (state === 'cancelling' && !left.has(id))) yield `${id} is ${state} for ever`;
    }
  },
});

function* sagasAndKeysEnd({ sagas = [], claims = [] }: Evidence, left: ReadonlySet<string>): Iterable<string> {
  const waiting = new Set(sagas.filter(({ orderId }) => orderId && left.has(orderId)).map(({ id }) => id));
  for (const { id, definition = '', status, step } of sagas) {
    if (!waiting.has(id) && ['running', 'compensating', 'stuck'].includes(status))
      yield `saga ${definition} ${id} is ${status}${step === undefined ? '' : ` at step ${step}`}`;
  }
  for (const { database, key, done, reference } of claims) {
    if (!done && !waiting.has(reference ?? '')) yield `${database}: the key ${key} is in flight for ever`;
  }
}

/** No hold outlives its order, and none is given back under a standing one. */
function* holdsEnd({ holds = [], stock = [], orders }: Evidence, left: ReadonlySet<string>): Iterable<string> {
  const states = orders && new Map(orders.map(({ id, state }) => [id, state]));
  for (const { orderId, status } of holds) {
    const state = states?.get(orderId);
    if (status === 'held') yield `${orderId} still holds units`;
    else if (left.has(orderId) || state === undefined) continue;
    else if (paidStates.has(state) && status !== 'sold') yield `${orderId} is ${state}, its hold is ${status}`;
    else if ((state === 'refused' || state === 'cancelled') && status === 'sold')
      yield `${orderId} is ${state}, its units are sold`;
  }
  for (const { sku, held } of stock) if (held !== 0) yield `${sku}: ${held} units are held by nobody`;
}
