import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { deadLetterOperations, lagOperation, noDeadLetter } from '#kit/messaging/operations';
import { closed, Email, pageOf, pageQuery, Timestamp } from './common.ts';
import { OrderId } from './orders.ts';

export const NotificationId = Type.String({ pattern: '^ntf_[0-9A-Z]{26}$' });

export const NotificationStatus = Type.Union([
  Type.Literal('pending', { description: 'will be sent, or is being sent' }),
  Type.Literal('sent', { description: 'accepted by the mail server' }),
  Type.Literal('failed', { description: 'given up; cause says why' }),
  Type.Literal('recorded', { description: 'no mail server is configured: kept here to be read' }),
]);
export type NotificationStatus = Static<typeof NotificationStatus>;

const summary = {
  id: NotificationId,
  orderId: Type.Optional(OrderId),
  userId: Type.Optional(Type.String({ description: 'Of a letter about an account' })),
  template: Type.String(),
  recipient: Email,
  subject: Type.String(),
  status: NotificationStatus,
  attempts: Type.Integer(),
  cause: Type.Optional(Type.String({ description: 'Why the latest attempt failed' })),
  resendOf: Type.Optional(NotificationId),
  createdAt: Timestamp,
  sentAt: Type.Optional(Timestamp),
};

const NotificationSummary = closed(summary);
const Notification = closed({ ...summary, text: Type.String(), html: Type.String() });
export type NotificationSummary = Static<typeof NotificationSummary>;
export type Notification = Static<typeof Notification>;

export const notificationsProblems = problemTable('notifications', {
  'not-found': {
    status: 404,
    title: 'There is no such notification',
    category: 'input',
    retry: 'never',
    hint: 'List the notifications of the order; those that were sent long ago are removed.',
  },
  'still-pending': {
    status: 409,
    title: 'The notification has not been sent yet',
    category: 'conflict',
    retry: { afterMs: 10_000 },
    hint: 'It will be sent by itself; a resend would make two of it.',
  },
  'no-dead-letter': noDeadLetter,
});

const ofNotification = closed({ notificationId: NotificationId });

export const notifications = defineService({
  service: 'notifications',
  problems: notificationsProblems,
  operations: {
    list: {
      method: 'GET',
      path: '/notifications',
      summary: 'Notifications, newest first: of one order, or all.',
      access: ['staff', 'service'],
      query: closed({
        ...pageQuery,
        orderId: Type.Optional(OrderId),
        status: Type.Optional(NotificationStatus),
      }),
      responses: { 200: pageOf(NotificationSummary) },
    },
    get: {
      method: 'GET',
      path: '/notifications/{notificationId}',
      summary:
        'A notification with its text. The token of a password reset is not in it: it is put in when it is sent.',
      access: ['staff', 'service'],
      params: ofNotification,
      responses: { 200: Notification },
      problems: ['notifications/not-found'],
    },
    resend: {
      method: 'POST',
      path: '/notifications/{notificationId}/resend',
      summary: 'Sends the same text to the same recipient once more, as a notification of its own.',
      access: ['staff', 'service'],
      idempotency: 'required',
      params: ofNotification,
      responses: { 202: NotificationSummary },
      problems: ['notifications/not-found', 'notifications/still-pending'],
    },
    ...deadLetterOperations('notifications'),
    ...lagOperation('notifications'),
  },
});
