import { problemTable } from '#kit/contract';

export const meshProblems = problemTable('mesh', {
  'no-identity': {
    status: 401,
    title: 'The caller showed no certificate',
    category: 'auth',
    retry: 'never',
    hint: 'This port is for the processes of this system. A process gets its certificate from the command that starts it.',
  },
  'identity-expired': {
    status: 401,
    title: 'The certificate of the caller has expired',
    category: 'auth',
    retry: 'never',
    hint: 'It is renewed by itself: look why not in the log of the caller, and at the clocks of both machines.',
  },
  'identity-foreign': {
    status: 401,
    title: 'The certificate of the caller is not from our authority',
    category: 'auth',
    retry: 'never',
    hint: 'Processes of one system are started on one data directory; its authority signs their names.',
  },
  'identity-revoked': {
    status: 401,
    title: 'The certificate of the caller has been revoked',
    category: 'auth',
    retry: 'never',
    hint: 'Restart the process: it makes a new key and gets a new certificate.',
  },
  'caller-not-allowed': {
    status: 403,
    title: 'This service may not call this operation',
    category: 'auth',
    retry: 'never',
    hint: 'The contract of the operation lists its callers: add the service there if it is meant to call.',
  },
  refused: {
    status: 503,
    title: 'Another process of this system refused this one',
    category: 'unavailable',
    retry: 'same-key',
    hint: 'The detail says why. Look at the certificates of both, and at the callers in the contract.',
  },
  'no-instance': {
    status: 503,
    title: 'No instance of the service is there',
    category: 'unavailable',
    retry: 'same-key',
    fault: 'elsewhere',
    hint: 'It may be starting. Look whether its processes run, and whether they and the caller reach the registry.',
  },
  overloaded: {
    status: 503,
    title: 'The service has more to do than it can',
    category: 'unavailable',
    retry: { afterMs: 1_000 },
    fault: 'load',
    hint: 'Wait for Retry-After. What matters less is refused first; more instances take more.',
  },
});
