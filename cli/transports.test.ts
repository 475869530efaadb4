import { expect, test } from 'vitest';
import { policyOf } from './transports.ts';

test('an operation is called as its contract says, and as the topology says before that', () => {
  expect(policyOf('products', 'get')).toEqual({ streams: false, hedge: true });
  expect(policyOf('payments', 'authorize')).toMatchObject({ tryTimeoutMs: 6_000 });
  expect(policyOf('products', 'export')).toMatchObject({ streams: true });
  const policies = {
    '*': { triesMax: 2, tryTimeoutMs: 1_000 },
    products: { hedge: false, balancing: { kind: 'round-robin' } },
    'products.get': { balancing: { kind: 'hash', parameter: 'idOrSlug' } },
  } as const;
  expect(policyOf('products', 'get', policies)).toEqual({
    ...{ streams: false, triesMax: 2, tryTimeoutMs: 1_000, hedge: false },
    balancing: { kind: 'hash', parameter: 'idOrSlug' },
  });
  expect(policyOf('products', 'search', policies)).toMatchObject({ balancing: { kind: 'round-robin' } });
  expect(policyOf('orders', 'place', policies)).toMatchObject({ triesMax: 2, tryTimeoutMs: 10_000 });
});
