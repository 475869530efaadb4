import type { Evidence } from '../history/evidence.ts';

/** States of an order that was sold. */
export const paidStates: ReadonlySet<string> = new Set(['confirmed', 'fulfilled', 'completed', 'returned']);
/** States of an order that nobody has decided. */
export const openStates: ReadonlySet<string> = new Set(['received', 'held', 'authorized']);

/** Orders of which a saga was given up once it was stuck: what is left of them is for people to settle. */
export function leftToPeople({ sagas = [] }: Evidence): Set<string> {
  return new Set(sagas.flatMap(({ status, orderId }) => (status === 'abandoned' && orderId ? [orderId] : [])));
}
