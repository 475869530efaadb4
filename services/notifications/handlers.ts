import { pageFrom, pageSizeDefault, positionOf } from '#contracts/common';
import { type NotificationSummary, type notifications, notificationsProblems } from '#contracts/notifications';
import { contractProblems, type Handlers } from '#kit/contract';
import type { Subscription } from '#kit/messaging';
import { deadLetterHandlers, lagHandlers } from '#kit/messaging/operations';
import type { Database, Ids } from '#kit/runtime';
import { insertResend, listNotifications, type NotificationRow, readByEvent, readNotification } from './store.ts';

export function createHandlers(options: {
  readonly database: Database;
  readonly ids: Ids;
  readonly subscription: Subscription;
  readonly status: 'pending' | 'recorded';
  readonly wakeSender: () => void;
}): Handlers<typeof notifications> {
  const { database, ids, subscription, status, wakeSender } = options;

  async function find(id: string): Promise<NotificationRow> {
    const row = await readNotification(database, id);
    if (!row) throw notificationsProblems['not-found']({ detail: `no notification ${id}` });
    return row;
  }

  return {
    async list({ query }) {
      const { limit = pageSizeDefault, orderId, status, cursor } = query;
      const [beforeId = null] = positionOf(cursor, 'text') ?? [];
      const rows = await listNotifications(database, { orderId, status, beforeId }, limit + 1);
      return { status: 200, body: pageFrom(rows, limit, ({ id }) => [id], summaryOf) };
    },
    async get({ params }) {
      const row = await find(params.notificationId);
      return { status: 200, body: { ...summaryOf(row), text: row.text, html: row.html } };
    },
    async resend({ params }, { caller, idempotencyKey = '' }) {
      const original = await find(params.notificationId);
      const eventId = `resend:${caller.kind}:${caller.id}:${idempotencyKey}`;
      // The row is the claim: a repeat with the same key finds it, whichever instance it comes to.
      if (original.status !== 'pending') await insertResend(database, ids.next('ntf'), eventId, original.id, status);
      const resent = await readByEvent(database, eventId);
      if (!resent) throw notificationsProblems['still-pending']({ detail: original.id });
      if (resent.resendOf !== original.id) throw contractProblems['idempotency-key-reused']();
      wakeSender();
      return { status: 202, body: summaryOf(resent) };
    },
    ...deadLetterHandlers('notifications', subscription.deadLetters),
    ...lagHandlers(subscription),
  };
}

function summaryOf(row: NotificationRow): NotificationSummary {
  const { id, orderId, userId, template, recipient, subject, status, attempts, cause, resendOf, createdAt, sentAt } =
    row;
  return {
    id,
    ...(orderId === null ? {} : { orderId }),
    ...(userId === null ? {} : { userId }),
    template,
    recipient,
    subject,
    status,
    attempts,
    ...(cause === null ? {} : { cause }),
    ...(resendOf === null ? {} : { resendOf }),
    createdAt: createdAt.toISOString(),
    ...(sentAt === null ? {} : { sentAt: sentAt.toISOString() }),
  };
}
