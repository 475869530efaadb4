import type { StockLowEvent } from '#contracts/inventory';
import type { OrderEvent } from '#contracts/orders';
import type { EventEnvelope } from '#kit/messaging';
import type { Ids, Transaction } from '#kit/runtime';
import { type ReceiptData, writeReceipt } from './receipt-letters.ts';
import { writeStockLetter } from './stock-letters.ts';
import { insertNotifications, type NewNotification } from './store.ts';
import { type Letter, type Shop, writeLetter } from './templates.ts';
import { writeUserLetter } from './user-letters.ts';

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
    if (event.source === 'tills') return aboutReceipt(event);
    if (event.source === 'inventory') return aboutStock(event);
    return event.source === 'users' ? aboutUser(event) : aboutOrder(event);
  }

  function aboutOrder(event: EventEnvelope): NewNotification | undefined {
    const order = checkedOrder(event);
    if (silentChannels.includes(order.channel)) return undefined;
    const letter = writeLetter(event.type, order, shop);
    return letter && rowOf(event, order.customer.email, letter, { orderId: order.orderId });
  }

  function aboutUser(event: EventEnvelope): NewNotification | undefined {
    const { userId, email, resetId } = checkedUser(event);
    const letter = writeUserLetter(event.type, event.data, shop);
    return letter && rowOf(event, email, letter, { userId, ...(resetId === undefined ? {} : { resetId }) });
  }

  function aboutReceipt(event: EventEnvelope): NewNotification {
    const receipt = checkedReceipt(event);
    return rowOf(event, receipt.email, writeReceipt(receipt), {});
  }

  function aboutStock(event: EventEnvelope): NewNotification | undefined {
    const { email, ...stock } = checkedStock(event);
    return email === undefined ? undefined : rowOf(event, email, writeStockLetter(stock, shop), {});
  }

  function rowOf(
    event: EventEnvelope,
    recipient: string,
    letter: Letter,
    about: Partial<Pick<NewNotification, 'orderId' | 'userId' | 'resetId'>>,
  ): NewNotification {
    const { orderId = null, userId = null, resetId = null } = about;
    return {
      id: ids.next('ntf'),
      eventId: event.id,
      template: event.type,
      recipient,
      ...letter,
      orderId,
      userId,
      resetId,
    };
  }

  return async (tx: Transaction, events: readonly EventEnvelope[]): Promise<void> => {
    const rows = events.map(notificationOf).filter((row) => row !== undefined);
    await insertNotifications(tx, status, rows);
  };
}

function checkedOrder(event: EventEnvelope): OrderEvent {
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

function checkedReceipt(event: EventEnvelope): ReceiptData {
  const sale = event.data as Partial<ReceiptData> | null;
  const isWhole = typeof sale?.email === 'string' && typeof sale.saleId === 'string' && sale.totals !== undefined;
  if (!isWhole) throw new UnwritableEvent(`${event.type} ${event.id}: sale, e-mail address or totals are missing`);
  return sale as ReceiptData;
}

function checkedStock(event: EventEnvelope): StockLowEvent {
  const stock = event.data as Partial<StockLowEvent> | null;
  if (typeof stock?.sku !== 'string' || typeof stock.onHand !== 'number') {
    throw new UnwritableEvent(`${event.type} ${event.id}: SKU or units are missing`);
  }
  return stock as StockLowEvent;
}

interface UserData {
  readonly userId: string;
  readonly email: string;
  readonly resetId?: string;
}

function checkedUser(event: EventEnvelope): UserData {
  const user = event.data as Partial<UserData> | null;
  const isReset = event.type === 'user.password-reset-requested';
  const isWhole =
    typeof user?.userId === 'string' &&
    typeof user.email === 'string' &&
    (!isReset || typeof user.resetId === 'string');
  if (!isWhole) throw new UnwritableEvent(`${event.type} ${event.id}: user, e-mail address or reset are missing`);
  return user as UserData;
}
