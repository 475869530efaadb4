import type { OrderEvent } from '#contracts/orders';
import type { EventEnvelope } from '#kit/messaging';
import type { Ids, Transaction } from '#kit/runtime';
import { insertNotifications, type NewNotification } from './store.ts';
import { type Shop, writeLetter } from './templates.ts';

/** An event from which no letter can be written, however often it is tried. */
export class UnwritableEvent extends Error {
  readonly retry = 'never';
}

/** Turns events into rows that say what is to be sent, in the transaction that moves the position. */
export function createConsumer(options: {
  readonly ids: Ids;
  readonly shop: Shop;
  readonly status: 'pending' | 'recorded';
  readonly silentChannels: readonly string[];
}) {
  const { ids, shop, status, silentChannels } = options;

  function notificationOf(event: EventEnvelope): NewNotification | undefined {
    const order = checked(event);
    if (silentChannels.includes(order.channel)) return undefined;
    const letter = writeLetter(event.type, order, shop);
    if (!letter) return undefined;
    const { subject, text, html } = letter;
    const { orderId, customer } = order;
    const recipient = customer.email;
    return { id: ids.next('ntf'), eventId: event.id, template: event.type, orderId, recipient, subject, text, html };
  }

  return async (tx: Transaction, events: readonly EventEnvelope[]): Promise<void> => {
    const rows = events.map(notificationOf).filter((row) => row !== undefined);
    await insertNotifications(tx, status, rows);
  };
}

function checked(event: EventEnvelope): OrderEvent {
  const order = event.data as Partial<OrderEvent> | null;
  const isWhole =
    typeof order?.orderId === 'string' &&
    typeof order.customer?.email === 'string' &&
    typeof order.currency === 'string' &&
    /^[A-Z]{3}$/.test(order.currency) &&
    Array.isArray(order.lines);
  if (!isWhole)
    throw new UnwritableEvent(`${event.type} ${event.id}: order, e-mail address, currency or lines are missing`);
  return order as OrderEvent;
}
