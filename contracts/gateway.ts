import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { closed, pageOf, pageQuery, Timestamp } from './common.ts';

const Retry = Type.Union([Type.Literal('never'), Type.Literal('same-key'), closed({ afterMs: Type.Number() })]);
const ProblemPage = closed({
  code: Type.String(),
  status: Type.Integer(),
  title: Type.String(),
  category: Type.String(),
  retry: Retry,
  hint: Type.String(),
});

const readiness = {
  200: closed({ status: Type.Literal('ready') }),
  503: closed({ status: Type.Literal('unready'), reasons: Type.Record(Type.String(), Type.String()) }),
} as const;

const AuditItem = closed({
  id: Type.Integer(),
  at: Timestamp,
  actor: closed({ kind: Type.String(), id: Type.String(), sessionId: Type.Optional(Type.String()) }),
  operation: Type.String({ description: '`orders.cancel`' }),
  target: Type.Record(Type.String(), Type.String(), { description: 'Ids out of the path' }),
  status: Type.Integer({ description: 'Of the answer: what was refused is here too' }),
  source: Type.String({ description: 'Network address' }),
  correlationId: Type.String({ description: 'The same in the log lines and traces of all services' }),
});
export type AuditItem = Static<typeof AuditItem>;

const PerSecond = Type.Union([Type.Literal(10), Type.Literal(100), Type.Literal(1_000)], {
  description: 'Requests a second; default 1000',
});
const KeyRole = Type.Union([Type.Literal('staff'), Type.Literal('admin')]);
const KeyOperations = Type.Array(Type.String({ pattern: '^(\\*|[a-z][a-z-]{0,40}\\.(\\*|[a-zA-Z]{1,60}))$' }), {
  minItems: 1,
  maxItems: 100,
  description: 'What it may do: `orders.place`, `orders.*`, or `*`',
});

const apiKey = {
  id: Type.String({ description: 'Stands for the key as the actor of what it does' }),
  name: Type.String(),
  prefix: Type.String({ description: 'Its first characters' }),
  role: KeyRole,
  operations: KeyOperations,
  readsOnly: Type.Boolean(),
  perSecond: PerSecond,
  createdBy: Type.String(),
  createdAt: Timestamp,
  expiresAt: Type.Optional(Timestamp),
  lastUsedAt: Type.Optional({ ...Timestamp, description: 'To the minute' }),
  revokedAt: Type.Optional(Timestamp),
};
const ApiKeyView = closed(apiKey);
export type ApiKeyView = Static<typeof ApiKeyView>;

export const gatewayProblems = problemTable('gateway', {
  'token-refused': {
    status: 401,
    title: 'The access token is not valid',
    category: 'auth',
    retry: 'never',
    hint: 'Refresh it or sign in again, and send the new one as Authorization: Bearer ….',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    category: 'input',
    retry: { afterMs: 1_000 },
    hint: 'Wait for Retry-After. The RateLimit headers of each answer tell what is left; send fewer at once.',
  },
  'key-not-allowed': {
    status: 403,
    title: 'This API key may not do that',
    category: 'auth',
    retry: 'never',
    hint: 'An admin makes keys, and says what each is for: POST /api-keys.',
  },
  'unknown-key': {
    status: 404,
    title: 'There is no such API key',
    category: 'input',
    retry: 'never',
    hint: 'GET /api-keys lists them.',
  },
  'too-many-keys': {
    status: 409,
    title: 'There are as many API keys as there may be',
    category: 'conflict',
    retry: 'never',
    hint: 'Revoke some that nothing uses: GET /api-keys tells when each was used last.',
  },
  'no-keys': {
    status: 503,
    title: 'This gateway keeps no API keys',
    category: 'unavailable',
    retry: 'never',
    hint: 'Give the gateway a database.',
  },
  gone: {
    status: 410,
    title: 'This part of the interface has ended',
    category: 'input',
    retry: 'never',
    hint: 'Follow the link with rel="deprecation", or read /openapi.json for what there is.',
  },
  'no-audit': {
    status: 503,
    title: 'This gateway keeps no audit log',
    category: 'unavailable',
    retry: 'never',
    hint: 'Give the gateway a database.',
  },
  'bad-cursor': {
    status: 400,
    title: 'The cursor is not one of this list',
    category: 'input',
    retry: 'never',
    hint: 'Send nextCursor as it came, or start again without it.',
  },
  'unknown-problem': {
    status: 404,
    title: 'There is no such problem',
    category: 'input',
    retry: 'never',
    hint: '/problems lists them all.',
  },
});

/** What the gateway answers itself. */
export const gateway = defineService({
  service: 'gateway',
  problems: gatewayProblems,
  operations: {
    index: {
      method: 'GET',
      path: '/',
      summary: 'Where to find what',
      access: ['anonymous'],
      identity: 'ignored',
      responses: {
        200: closed({ name: Type.String(), links: Type.Record(Type.String(), Type.String()) }),
      },
    },
    livez: {
      method: 'GET',
      path: '/livez',
      summary: 'The process runs',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: closed({ status: Type.Literal('alive') }) },
    },
    readyz: {
      method: 'GET',
      path: '/readyz',
      summary: 'The process serves; else what keeps it, by component',
      access: ['anonymous'],
      identity: 'ignored',
      responses: readiness,
    },
    health: {
      method: 'GET',
      path: '/health',
      summary: 'The same as /readyz, where balancers look for it',
      access: ['anonymous'],
      identity: 'ignored',
      responses: readiness,
    },
    openapi: {
      method: 'GET',
      path: '/openapi.json',
      summary: 'This interface as OpenAPI 3.1',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Unknown() },
    },
    problems: {
      method: 'GET',
      path: '/problems',
      summary: 'All problems that an answer can name, with what to do about them',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: closed({ items: Type.Array(ProblemPage) }) },
    },
    problem: {
      method: 'GET',
      path: '/problems/{area}/{name}',
      summary: 'One problem: where the `type` of a problem document leads',
      access: ['anonymous'],
      identity: 'ignored',
      params: closed({ area: Type.String(), name: Type.String() }),
      responses: { 200: ProblemPage },
      problems: ['gateway/unknown-problem'],
    },
    audit: {
      method: 'GET',
      path: '/audit',
      summary: 'Who did what, newest first: changes, attempts to sign in, refusals, and whatever staff looked at',
      access: ['admin', 'staff'],
      query: closed({
        ...pageQuery,
        actor: Type.Optional(Type.String({ maxLength: 100, description: 'Id of a user' })),
        operation: Type.Optional(
          Type.String({ maxLength: 100, description: '`orders.cancel`, or `orders` for all of a service' }),
        ),
        target: Type.Optional(
          Type.String({ maxLength: 100, description: 'Id of what it was done to, as it stands in the path' }),
        ),
        changes: Type.Optional(
          Type.Boolean({ description: 'Leaves out what was only looked at; what was refused stays. Default: false' }),
        ),
        from: Type.Optional({ ...Timestamp, description: 'Not before' }),
        to: Type.Optional({ ...Timestamp, description: 'Before' }),
      }),
      responses: { 200: pageOf(AuditItem) },
      problems: ['gateway/no-audit', 'gateway/bad-cursor'],
    },
    createApiKey: {
      method: 'POST',
      path: '/api-keys',
      summary:
        'Makes a key for a program, to send as Authorization: Bearer hf_…. The key is in this answer and never again',
      access: ['admin'],
      body: closed({
        name: Type.String({ minLength: 1, maxLength: 100, description: 'What it is for' }),
        role: Type.Optional({ ...KeyRole, description: 'As whose it acts; default staff' }),
        operations: KeyOperations,
        readsOnly: Type.Optional(Type.Boolean({ description: 'It may GET alone; default false' })),
        perSecond: Type.Optional(PerSecond),
        expiresInDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_650, description: 'Default: never' })),
      }),
      responses: { 201: closed({ key: Type.String(), ...apiKey }) },
      problems: ['gateway/no-keys', 'gateway/key-not-allowed', 'gateway/too-many-keys'],
    },
    listApiKeys: {
      method: 'GET',
      path: '/api-keys',
      summary: 'All API keys without the keys themselves, those in use first; at most 500',
      access: ['admin'],
      responses: { 200: closed({ items: Type.Array(ApiKeyView) }) },
      problems: ['gateway/no-keys', 'gateway/key-not-allowed'],
    },
    revokeApiKey: {
      method: 'DELETE',
      path: '/api-keys/{keyId}',
      summary: 'Ends a key: it is refused from this answer on',
      access: ['admin'],
      params: closed({ keyId: Type.String({ pattern: '^key_[0-9A-Z]{26}$' }) }),
      responses: { 200: ApiKeyView },
      problems: ['gateway/no-keys', 'gateway/key-not-allowed', 'gateway/unknown-key'],
    },
  },
});
