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
  'unknown-problem': {
    status: 404,
    title: 'There is no such problem',
    category: 'input',
    retry: 'never',
    hint: '/problems lists them all.',
  },
});
