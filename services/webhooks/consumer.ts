import type { EventEnvelope } from '#kit/messaging';
import type { Ids, Transaction } from '#kit/runtime';
import { type EndpointRow, insertDeliveries, listEndpoints, type NewMessage } from './store.ts';

/** What is posted: type, time and data, as Standard Webhooks has it. */
export function payloadOf({ type, time, data }: Pick<EventEnvelope, 'type' | 'time' | 'data'>): string {
  return JSON.stringify({ type, timestamp: time, data });
}

/** By logical time: wall clocks of machines, and that of a database, may be wrong by hours. Their texts sort as they do. */
const happenedSince = ({ hlc, time }: EventEnvelope, { madeHlc, createdAt }: EndpointRow): boolean =>
  hlc !== undefined && madeHlc !== null ? hlc > madeHlc : Date.parse(time) >= createdAt.getTime();

/**
 * Turns events into what is to be posted where, in the transaction that moves the position. An endpoint hears of what
 * happened since it was made: whoever comes new has no use for the past, and reads lists instead.
 */
export function createConsumer({ ids }: { readonly ids: Ids }) {
  return async (tx: Transaction, events: readonly EventEnvelope[]): Promise<void> => {
    const endpoints = (await listEndpoints(tx)).filter(({ enabled }) => enabled);
    const messages = new Map<string, NewMessage>();
    const deliveries = events.flatMap((event) => {
      // One event, one id: a receiver that has seen it knows it again, whoever repeats it.
      const messageId = `msg_${event.source}_${event.id}`;
      const wanting = endpoints.filter(
        (endpoint) =>
          (endpoint.types.length === 0 || endpoint.types.includes(event.type)) && happenedSince(event, endpoint),
      );
      if (wanting.length > 0) {
        messages.set(messageId, { id: messageId, type: event.type, key: event.subject, payload: payloadOf(event) });
      }
      return wanting.map(({ id }) => ({ id: ids.next('whd'), endpointId: id, messageId, cause: 'event' }));
    });
    await insertDeliveries(tx, [...messages.values()], deliveries);
  };
}
