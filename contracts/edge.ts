import { problemTable } from '#kit/contract';

/** What is answered before a gateway is reached: by the edge and by the balancer, besides the problems of any operation. */
export const edgeProblems = problemTable('edge', {
  unreachable: {
    status: 502,
    title: 'The shop can not be reached just now',
    category: 'unavailable',
    retry: { afterMs: 1_000 },
    hint: 'Repeat after Retry-After; a change with the same Idempotency-Key, for what became of it is unknown.',
  },
  'target-too-long': {
    status: 414,
    title: 'The path and query are too long',
    category: 'input',
    retry: 'never',
    hint: 'Send at most 8,192 characters, and what is longer in a body.',
  },
  'unknown-coding': {
    status: 501,
    title: 'This transfer coding is not served',
    category: 'input',
    retry: 'never',
    hint: 'Send the body with a Content-Length, or with Transfer-Encoding: chunked over HTTP/1.1.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests from this address',
    category: 'input',
    retry: { afterMs: 1_000 },
    hint: 'Wait for Retry-After, then send fewer at once.',
  },
});
