import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { deadLetterOperations, lagOperation, noDeadLetter } from '#kit/messaging/operations';
import { closed, pageOf, pageQuery, Timestamp } from './common.ts';

/** What a merchant can be told of, by event type. None of it holds a secret; orders hold the customer's e-mail. */
export const webhookTypes = [
  'order.received',
  'order.confirmed',
  'order.refused',
  'order.fulfilled',
  'order.completed',
  'order.cancelled',
  'order.returned',
  'order.refunded',
  'product.created',
  'product.changed',
  'product.archived',
  'stock.changed',
] as const;

const EndpointId = Type.String({ pattern: '^whe_[0-9A-Z]{26}$' });
const DeliveryId = Type.String({ pattern: '^whd_[0-9A-Z]{26}$' });
const WebhookType = Type.String({ maxLength: 60, description: 'An event type, or webhook.test' });

const EndpointInput = closed({
  url: Type.String({
    minLength: 8,
    maxLength: 2_000,
    pattern: '^https?://',
    description: 'Where messages are posted. https, and no private address, unless the topology allows it',
  }),
  description: Type.Optional(Type.String({ maxLength: 200 })),
  types: Type.Array(Type.Enum([...webhookTypes]), {
    maxItems: webhookTypes.length,
    uniqueItems: true,
    description: 'Of these alone; none: of all',
  }),
  enabled: Type.Optional(Type.Boolean({ description: 'Default true' })),
});
export type EndpointInput = Static<typeof EndpointInput>;

export const WebhookEndpoint = closed({
  id: EndpointId,
  url: Type.String(),
  description: Type.Optional(Type.String()),
  types: Type.Array(WebhookType),
  enabled: Type.Boolean(),
  disabledWhy: Type.Optional(Type.String({ description: 'Why it was disabled by itself' })),
  failingSince: Type.Optional({ ...Timestamp, description: 'Nothing has arrived there since' }),
  secretRotatedAt: Type.Optional({ ...Timestamp, description: 'The secret before still signs for 24 hours' }),
  createdAt: Timestamp,
  version: Type.Integer({ minimum: 1, description: 'The ETag is this number in quotes' }),
});
export type WebhookEndpoint = Static<typeof WebhookEndpoint>;

const Secret = closed({
  secret: Type.String({ description: 'whsec_ and base64: verifies signatures. Keep it where passwords are kept' }),
});

export const DeliveryStatus = Type.Union([
  Type.Literal('pending', { description: 'It will be tried, or tried again' }),
  Type.Literal('delivered', { description: 'Answered with 2xx' }),
  Type.Literal('failed', { description: 'Given up; it can be replayed' }),
]);
export type DeliveryStatus = Static<typeof DeliveryStatus>;

const delivery = {
  id: DeliveryId,
  endpointId: EndpointId,
  messageId: Type.String({ description: 'webhook-id: the same at each attempt and each replay' }),
  type: WebhookType,
  key: Type.String({ description: 'What it is about: the id of an order, a product, a SKU' }),
  status: DeliveryStatus,
  attempts: Type.Integer({ minimum: 0 }),
  nextAttemptAt: Type.Optional(Timestamp),
  replayOf: Type.Optional(DeliveryId),
  createdAt: Timestamp,
  endedAt: Type.Optional(Timestamp),
};
export const WebhookDelivery = closed(delivery);
export type WebhookDelivery = Static<typeof WebhookDelivery>;

export const WebhookAttempt = closed({
  number: Type.Integer({ minimum: 1 }),
  at: Timestamp,
  durationMs: Type.Number({ minimum: 0 }),
  status: Type.Optional(Type.Integer({ description: 'Of the answer; absent where none came' })),
  answer: Type.Optional(Type.String({ description: 'How the answer began, up to 1,000 characters' })),
  error: Type.Optional(Type.String({ description: 'Why no answer came' })),
});
export type WebhookAttempt = Static<typeof WebhookAttempt>;

const WebhookDeliveryDetail = closed({
  ...delivery,
  payload: Type.String({ description: 'What is posted, to the letter' }),
  tries: Type.Array(WebhookAttempt),
});

export const webhooksProblems = problemTable('webhooks', {
  'not-found': {
    status: 404,
    title: 'There is no such endpoint or delivery',
    category: 'input',
    retry: 'never',
    hint: 'Check the id; deliveries that ended are removed after 30 days.',
  },
  'bad-url': {
    status: 422,
    title: 'Nothing can be posted to this address',
    category: 'input',
    retry: 'never',
    hint: 'Give an https URL that others can reach. For tests on one machine: "webhooks": { "privateAddresses": true } in the topology.',
  },
  'too-many-endpoints': {
    status: 409,
    title: 'There are as many endpoints as there may be',
    category: 'conflict',
    retry: 'never',
    hint: 'Delete one that is no longer used.',
  },
  disabled: {
    status: 409,
    title: 'The endpoint is disabled',
    category: 'conflict',
    retry: 'never',
    hint: 'Enable it first; what waits is then posted.',
  },
  'still-pending': {
    status: 409,
    title: 'The delivery has not ended yet',
    category: 'conflict',
    retry: { afterMs: 10_000 },
    hint: 'It is tried by itself; a replay would make two of it.',
  },
  'no-dead-letter': noDeadLetter,
});

const ofEndpoint = closed({ endpointId: EndpointId });
const ofDelivery = closed({ deliveryId: DeliveryId });
const staff = ['staff', 'admin'] as const;
const admin = ['admin'] as const;

/** Tells other systems what happens, by Standard Webhooks 1.0 (standardwebhooks.com): signed, retried, replayable. */
export const webhooks = defineService({
  service: 'webhooks',
  problems: webhooksProblems,
  operations: {
    listEndpoints: {
      method: 'GET',
      path: '/webhook-endpoints',
      summary: 'All endpoints (at most 50), oldest first.',
      access: staff,
      responses: { 200: closed({ items: Type.Array(WebhookEndpoint) }) },
      consistency: 'strong',
    },
    createEndpoint: {
      method: 'POST',
      path: '/webhook-endpoints',
      summary: 'A new endpoint. It is told of what happens from now on.',
      access: admin,
      idempotency: 'required',
      body: EndpointInput,
      responses: { 201: WebhookEndpoint },
      problems: ['webhooks/bad-url', 'webhooks/too-many-endpoints', 'contract/idempotency-key-reused'],
    },
    getEndpoint: {
      method: 'GET',
      path: '/webhook-endpoints/{endpointId}',
      summary: 'One endpoint.',
      access: staff,
      params: ofEndpoint,
      responses: { 200: WebhookEndpoint },
      problems: ['webhooks/not-found'],
      consistency: 'strong',
    },
    changeEndpoint: {
      method: 'PUT',
      path: '/webhook-endpoints/{endpointId}',
      summary: 'Changes an endpoint, disables or enables it. What waits is posted as soon as it is enabled.',
      access: admin,
      conditional: true,
      params: ofEndpoint,
      body: EndpointInput,
      responses: { 200: WebhookEndpoint },
      problems: ['webhooks/not-found', 'webhooks/bad-url', 'contract/precondition-failed'],
    },
    deleteEndpoint: {
      method: 'DELETE',
      path: '/webhook-endpoints/{endpointId}',
      summary: 'Deletes an endpoint with its deliveries.',
      access: admin,
      params: ofEndpoint,
      responses: { 204: Type.Undefined({ description: 'It is gone' }) },
    },
    showSecret: {
      method: 'GET',
      path: '/webhook-endpoints/{endpointId}/secret',
      summary: 'The secret that signs for this endpoint.',
      access: admin,
      params: ofEndpoint,
      responses: { 200: Secret },
      problems: ['webhooks/not-found'],
      consistency: 'strong',
    },
    rotateSecret: {
      method: 'POST',
      path: '/webhook-endpoints/{endpointId}/secret',
      summary: 'A new secret. The one before signs beside it for 24 hours, so that receivers can change over.',
      access: admin,
      conditional: true,
      params: ofEndpoint,
      responses: { 200: Secret },
      problems: ['webhooks/not-found', 'contract/precondition-failed'],
    },
    test: {
      method: 'POST',
      path: '/webhook-endpoints/{endpointId}/test',
      summary: 'Posts a message of type webhook.test.',
      access: staff,
      idempotency: 'required',
      params: ofEndpoint,
      responses: { 202: WebhookDelivery },
      problems: ['webhooks/not-found', 'webhooks/disabled'],
    },
    replayFailed: {
      method: 'POST',
      path: '/webhook-endpoints/{endpointId}/replay',
      summary: 'Posts everything anew that has failed since a time, up to 1,000, the oldest first.',
      access: staff,
      params: ofEndpoint,
      body: closed({ since: Timestamp }),
      responses: { 202: closed({ replayed: Type.Integer(), more: Type.Boolean() }) },
      problems: ['webhooks/not-found', 'webhooks/disabled'],
    },
    listDeliveries: {
      method: 'GET',
      path: '/webhook-deliveries',
      summary: 'Deliveries, newest first.',
      access: staff,
      query: closed({
        ...pageQuery,
        endpointId: Type.Optional(EndpointId),
        status: Type.Optional(DeliveryStatus),
      }),
      responses: { 200: pageOf(WebhookDelivery) },
    },
    getDelivery: {
      method: 'GET',
      path: '/webhook-deliveries/{deliveryId}',
      summary: 'One delivery with what was posted, every attempt and what was answered.',
      access: staff,
      params: ofDelivery,
      responses: { 200: WebhookDeliveryDetail },
      problems: ['webhooks/not-found'],
    },
    replay: {
      method: 'POST',
      path: '/webhook-deliveries/{deliveryId}/replay',
      summary: 'Posts the same message once more, under the same webhook-id, as a delivery of its own.',
      access: staff,
      idempotency: 'required',
      params: ofDelivery,
      responses: { 202: WebhookDelivery },
      problems: ['webhooks/not-found', 'webhooks/still-pending', 'webhooks/disabled'],
    },
    ...deadLetterOperations('webhooks'),
    ...lagOperation('webhooks'),
  },
});
