import { expect, test } from 'vitest';
import type { SystemView } from '#contracts/operators';
import { box, topologyOf } from './topology.ts';

const counted = { calls: 1, failed: 0, buckets: [1, 0] };
const view = (links: readonly (readonly [string, string])[]): SystemView =>
  ({
    at: '2026-01-01T00:00:00.000Z',
    boundsSec: [1],
    processes: links.flatMap(([caller]) => ({ process: caller, services: [caller], answering: true })),
    edges: links.map(([caller, callee]) => ({ caller, callee, ...counted })),
    ...{ services: [], breakers: [], pools: [], published: [], consumed: [], unready: {} },
  }) as SystemView;
const columnsOf = (to: SystemView) => {
  const { nodes } = topologyOf({ from: undefined, to });
  return Object.fromEntries(nodes.map(({ name, x }) => [name, x]));
};

test('a request reads from left to right: edge, balancer, gateway, services', () => {
  const fronts = [['edge', 'balancer'] as const, ['balancer', 'gateway'] as const];
  const x = columnsOf(view([...fronts, ['gateway', 'orders'], ['orders', 'payments']]));
  const [edge = 0, balancer = 0, gateway = 0, orders = 0, payments = 0] = [
    ...[x['edge'], x['balancer'], x['gateway'], x['orders'], x['payments']],
  ];
  expect([balancer - edge, gateway - balancer, orders - gateway, payments - orders].every((gap) => gap > 0)).toBe(true);
});

test('without anything in front the gateway is the first, even where a service calls it', () => {
  const x = columnsOf(
    view([
      ['gateway', 'orders'],
      ['orders', 'gateway'],
    ]),
  );
  expect(x['gateway']).toBeLessThan(x['orders'] ?? 0);
});

test('a way that passes a column goes between its services, never behind one', () => {
  const { nodes, edges } = topologyOf({
    from: undefined,
    to: view([
      ['gateway', 'orders'],
      ['gateway', 'users'],
      ['gateway', 'stock'],
      ['orders', 'stock'],
      ['users', 'stock'],
    ]),
  });
  const far = edges.find(({ from, to }) => from.name === 'gateway' && to.name === 'stock');
  expect(far?.via).toHaveLength(1);
  for (const { x, y } of far?.via ?? []) {
    const hidden = nodes.filter((node) => node.x === x && y > node.y && y < node.y + box.height);
    expect(hidden).toEqual([]);
  }
});

test('a service of the shop that runs nowhere does not answer; what others run is no matter of ours', () => {
  const to = view([
    ['gateway', 'products'],
    ['gateway', 'bank'],
  ]);
  const { nodes } = topologyOf({ from: undefined, to }, new Set(['gateway', 'products']));
  const health = Object.fromEntries(nodes.map(({ name, health, why }) => [name, `${health} ${why}`.trim()]));
  expect(health).toEqual({ gateway: 'idle', products: 'away not running', bank: 'idle' });
});
