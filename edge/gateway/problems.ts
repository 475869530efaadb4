import { problemTable } from '#kit/contract';

export const gatewayProblems = problemTable('gateway', {
  'token-refused': {
    status: 401,
    title: 'The access token is not valid',
    category: 'auth',
    retry: 'never',
    hint: 'Refresh it or sign in again, and send the new one as Authorization: Bearer ….',
  },
  'unknown-problem': {
    status: 404,
    title: 'There is no such problem',
    category: 'input',
    retry: 'never',
    hint: '/problems lists them all.',
  },
});
