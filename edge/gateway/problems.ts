import { problemTable } from '#kit/contract';

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
