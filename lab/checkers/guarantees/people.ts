import type { Evidence } from '../history/evidence.ts';

/** States of an order that was sold. */
export const paidStates: ReadonlySet<string> = new Set(['confirmed', 'fulfilled', 'completed', 'returned']);
/** States of an order that nobody has decided. */
export const openStates: ReadonlySet<string> = new Set(['received', 'held', 'authorized']);

/**
 * Orders that an operator gave up after they were confirmed: money and changes of them are for people to settle. Refunds
 * wait for a capture that will not come.
 */
export function leftToPeople({ sagas = [] }: Evidence): Set<string> {
  return new Set(sagas.flatMap(({ status, orderId }) => (status === 'abandoned' && orderId ? [orderId] : [])));
}
