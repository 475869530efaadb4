import { expect, test } from 'vitest';
import type { SystemView } from '#contracts/operators';
import { labelsOf, overlap } from './labels.ts';
import { topologyOf } from './topology.ts';

/** Who calls whom in the topology `shop` under load. */
const shop: readonly (readonly [string, string])[] = [
  ...([
    ['edge', 'balancer'],
    ['balancer', 'gateway'],
  ] as const),
  ...['users', 'products', 'carts', 'orders', 'inventory', 'payments', 'tills', 'assistant', 'analytics'].map(
    (callee) => ['gateway', callee] as const,
  ),
  ...(['products', 'orders', 'users', 'inventory'] as const).map((callee) => ['carts', callee] as const),
  ...(['products', 'inventory', 'payments'] as const).map((callee) => ['orders', callee] as const),
  ...(['products', 'inventory', 'payments', 'users'] as const).map((callee) => ['tills', callee] as const),
  ...(['products', 'orders'] as const).map((callee) => ['assistant', callee] as const),
  ['payments', 'sandbox'],
  ['products', 'inventory'],
];

const view = {
  at: '2026-01-01T00:00:00.000Z',
  boundsSec: [1],
  processes: [...new Set(shop.flat())].map((service) => ({ process: service, services: [service], answering: true })),
  edges: shop.map(([caller, callee]) => ({ caller, callee, calls: 1, failed: 0, buckets: [1, 0] })),
  ...{ services: [], breakers: [], pools: [], published: [], consumed: [], unready: {} },
} as unknown as SystemView;

const { edges, height } = topologyOf({ from: undefined, to: view });

test.each([
  ['of ways that are well', { width: 76, height: 30 }],
  ['of ways that fail', { width: 92, height: 44 }],
])('on the map of the shop no label hides another, and all are on it: %s', (_what, size) => {
  // As many as of the worst case fit: all ways, or those of the service that is looked at.
  const shown = size.height > 30 ? edges.filter(({ to }) => to.name === 'inventory') : edges;
  const labels = labelsOf(shown, height, () => size);
  expect(labels).toHaveLength(shown.length);
  const hidden = labels.flatMap((label, i) =>
    labels
      .slice(i + 1)
      .flatMap((other) => (overlap(label, other) ? [[label.edge.from.name, other.edge.from.name]] : [])),
  );
  expect(hidden).toEqual([]);
  for (const { y } of labels) expect(y >= size.height / 2 && y <= height - size.height / 2).toBe(true);
});

test('a label stands on its way where there is room, and beside it where another stands', () => {
  const way = edges.find(({ from, to }) => from.name === 'orders' && to.name === 'payments');
  if (!way) throw new Error('orders calls payments');
  const size = { width: 76, height: 30 };
  const [alone] = labelsOf([way], height, () => size);
  const [first, second] = labelsOf([way, way], height, () => size);
  expect(first).toEqual(alone);
  expect(first && second && overlap(first, second)).toBe(false);
});
