import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { closed as closedObject, pageOf, pageQuery, Timestamp } from './common.ts';

const Retry = Type.Union([
  Type.Literal('never'),
  Type.Literal('same-key'),
  Type.Object({ afterMs: Type.Number() }, { additionalProperties: false }),
]);
const ProblemPage = Type.Object(
  {
    code: Type.String(),
    status: Type.Integer(),
    title: Type.String(),
    category: Type.String(),
    retry: Retry,
    hint: Type.String(),
  },
  { additionalProperties: false },
);
const closed = { additionalProperties: false };

const readiness = {
  200: Type.Object({ status: Type.Literal('ready') }, closed),
  503: Type.Object({ status: Type.Literal('unready'), reasons: Type.Record(Type.String(), Type.String()) }, closed),
} as const;

const AuditItem = closedObject({
  id: Type.Integer(),
  at: Timestamp,
  actor: closedObject({ kind: Type.String(), id: Type.String(), sessionId: Type.Optional(Type.String()) }),
  operation: Type.String({ description: '`orders.cancel`' }),
  target: Type.Record(Type.String(), Type.String(), { description: 'Ids out of the path' }),
  status: Type.Integer({ description: 'Of the answer: what was refused is here too' }),
  source: Type.String({ description: 'Network address' }),
  correlationId: Type.String({ description: 'The same in the log lines and traces of all services' }),
});
export type AuditItem = Static<typeof AuditItem>;

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
        200: Type.Object({ name: Type.String(), links: Type.Record(Type.String(), Type.String()) }, closed),
      },
    },
    livez: {
      method: 'GET',
      path: '/livez',
      summary: 'The process runs',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Object({ status: Type.Literal('alive') }, closed) },
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
      responses: { 200: Type.Object({ items: Type.Array(ProblemPage) }, closed) },
    },
    problem: {
      method: 'GET',
      path: '/problems/{area}/{name}',
      summary: 'One problem: where the `type` of a problem document leads',
      access: ['anonymous'],
      identity: 'ignored',
      params: Type.Object({ area: Type.String(), name: Type.String() }, closed),
      responses: { 200: ProblemPage },
      problems: ['gateway/unknown-problem'],
    },
    audit: {
      method: 'GET',
      path: '/audit',
      summary: 'Who did what, newest first: changes, attempts to sign in, refusals, and whatever staff looked at',
      access: ['admin', 'staff'],
      query: closedObject({
        ...pageQuery,
        actor: Type.Optional(Type.String({ maxLength: 100, description: 'Id of a user' })),
        operation: Type.Optional(
          Type.String({ maxLength: 100, description: '`orders.cancel`, or `orders` for all of a service' }),
        ),
        from: Type.Optional({ ...Timestamp, description: 'Not before' }),
        to: Type.Optional({ ...Timestamp, description: 'Before' }),
      }),
      responses: { 200: pageOf(AuditItem) },
      problems: ['gateway/no-audit', 'gateway/bad-cursor'],
    },
  },
});
