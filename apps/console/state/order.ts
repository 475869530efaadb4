import { isApiProblem } from '#api';
import type { EventView } from '#contracts/operators';
import type { Order } from '#contracts/orders';
import { api } from '../console.ts';
import { timeOfId } from './time.ts';

export type SagaView = Awaited<ReturnType<typeof api.orders.inspectSaga>>['body'];

export interface NamedSaga {
  readonly title: string;
  readonly id: string;
  readonly saga: SagaView | undefined;
}

/** An order’s own saga, and one for each of its changes. Ended ones of long ago may be gone. */
export async function sagasOf(order: Order, signal: AbortSignal): Promise<NamedSaga[]> {
  const { cancellation } = order;
  const wanted = [
    { title: 'Placing the order', id: order.id },
    ...order.returns.map(({ returnId }) => ({ title: 'Return', id: returnId })),
    ...order.refunds.map(({ refundId }) => ({ title: 'Refund', id: refundId })),
    ...(cancellation ? [{ title: 'Cancellation', id: cancellation.cancelId }] : []),
  ];
  return Promise.all(
    wanted.map(async ({ title, id }) => {
      const saga = await orNothing(api.orders.inspectSaga({ params: { sagaId: id }, signal }));
      return { title, id, saga: saga?.body };
    }),
  );
}

/** Events of an order, causes before effects. */
export async function eventsOf(orderId: string, signal: AbortSignal) {
  const from = timeOfId(orderId);
  const { body } = await api.operators.events({
    params: { topic: 'orders' },
    query: { key: orderId, ...(from === undefined ? {} : { from }) },
    signal,
  });
  return { ...body, items: body.items.toSorted(byCause) };
}

/** Of a recorded trace only: the last flag of a traceparent says so (W3C Trace Context §3.2.2.5). */
export const traceOf = ({ traceparent = '' }: EventView): string | undefined =>
  traceparent.endsWith('-01') ? traceparent.slice(3, 35) : undefined;

function byCause(a: EventView, b: EventView): number {
  if (a.hlc === undefined || b.hlc === undefined) return a.offset - b.offset;
  return a.hlc < b.hlc ? -1 : a.hlc > b.hlc ? 1 : a.offset - b.offset;
}

/** Our books and the provider’s, of one order. Either may have nothing: it was never asked, or the answer was lost. */
export async function moneyOf(orderId: string, signal: AbortSignal) {
  const [ours, theirs] = await Promise.allSettled([
    orNothing(api.payments.get({ params: { orderId }, signal })),
    api.payments.providerView({ params: { orderId }, signal }),
  ]);
  if (ours.status === 'rejected') throw ours.reason;
  return {
    ours: ours.value?.body,
    provider: theirs.status === 'fulfilled' ? theirs.value.body : undefined,
    providerError: theirs.status === 'rejected' ? (theirs.reason as unknown) : undefined,
  };
}

async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isApiProblem(error) && error.status === 404) return undefined;
    throw error;
  }
}
