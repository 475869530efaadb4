import { defineCheck } from '../check.ts';
import type { Evidence, Operation } from '../history/evidence.ts';
import { openStates } from './people.ts';

interface Placed {
  readonly operation: Operation;
  readonly orderId: string;
  readonly state: string | undefined;
}

/** Answers to `place` that named an order. */
export function placements({ operations }: Evidence): Placed[] {
  return operations.flatMap((operation) => {
    if (operation.kind !== 'place' || operation.outcome.type !== 'ok') return [];
    const { id, state } = (operation.outcome.value ?? {}) as { id?: string; state?: string };
    return id === undefined ? [] : [{ operation, orderId: id, state }];
  });
}

/** An acknowledged order exists for ever and is decided, and what was said of it stays true. */
export const acceptedOrdersStay = defineCheck({
  name: 'an accepted order is never lost',
  needs: ['orders'],
  size: (evidence) => placements(evidence).length,
  *find(evidence) {
    const orders = new Map(evidence.orders.map((order) => [order.id, order]));
    for (const { operation, orderId, state } of placements(evidence)) {
      const order = orders.get(orderId);
      if (!order) yield `${orderId} was acknowledged (operation ${operation.id}) and is gone`;
      else if (openStates.has(order.state)) yield `${orderId} was never decided`;
      else if (state === 'confirmed' && order.state === 'refused')
        yield `${orderId} was confirmed to its buyer and is refused`;
      else if (state === 'refused' && order.state !== 'refused')
        yield `${orderId} was refused to its buyer and is ${order.state}`;
    }
  },
});

/** One business operation, one order: however often it was sent. */
export const oneOrderAKey = defineCheck({
  name: 'a repeat makes no second order',
  needs: ['orders'],
  size: ({ orders }) => orders.length,
  *find(evidence) {
    const seen = new Map<string, string>();
    for (const { id, scope, businessKey } of evidence.orders) {
      const name = `${scope} ${businessKey}`;
      const other = seen.get(name);
      if (other) yield `${businessKey} made ${other} and ${id}`;
      seen.set(name, id);
    }
    const ids = new Map<string, string>();
    for (const { operation, orderId } of placements(evidence)) {
      const key = operation.idempotencyKey;
      if (key === undefined) continue;
      const other = ids.get(key);
      if (other !== undefined && other !== orderId) yield `${key} was answered with ${other} and with ${orderId}`;
      ids.set(key, orderId);
    }
  },
});
