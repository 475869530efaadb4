import { expect, test } from 'vitest';
import { loadTopology } from '../../cli/topology.ts';
import { faults } from './faults/index.ts';
import { shapeOf } from './run.ts';
import { entranceOf, waysOf } from './wiring.ts';

const plainOf = (name: string) =>
  shapeOf(loadTopology(name)).processes.map(({ name: process, services }) => ({ process, services }));
const namesOf = (name: string) => waysOf(plainOf(name)).map((way) => way.name);

test('clients come in by the edge, then by the balancer, to each of the gateways', () => {
  const names = namesOf('shop');
  expect(entranceOf(plainOf('shop'))).toBe('edge');
  expect(names.filter((name) => name.startsWith('clients→'))).toEqual(['clients→edge']);
  expect(names.filter((name) => /^edge-1→/.test(name))).toEqual(['edge-1→balancer', 'edge-1→gateway']);
  expect(names).toEqual(expect.arrayContaining(['balancer-2→gateway-1', 'balancer-2→gateway-2']));
  expect(names).toContain('sandbox→edge');
});

test('whom a service may call by its contracts, it reaches by a way of its own', () => {
  const from = (service: string) => namesOf('process-per-service').filter((name) => name.startsWith(`${service}→`));
  expect(from('orders')).toEqual(['orders→products', 'orders→inventory', 'orders→payments', 'orders→postgres']);
  expect(from('tills')).toContain('tills→products');
  expect(from('products')).toEqual(['products→postgres']);
  expect(entranceOf(plainOf('process-per-service'))).toBe('gateway');
  expect(entranceOf(plainOf('one-process'))).toBe('all');
});

test('in the shop every fault has somebody to strike, and the edge has neither identity nor database', () => {
  const shape = shapeOf(loadTopology('shop'));
  for (const fault of faults) expect(fault.targets(shape), fault.name).not.toEqual([]);
  const named = (name: string) => faults.find((fault) => fault.name === name)?.targets(shape) ?? [];
  expect(named('restart')).toEqual(expect.arrayContaining(['edge-1', 'balancer-2']));
  expect(named('expired-identity')).toEqual(expect.arrayContaining(['gateway-2', 'orders-4', 'inventory-1']));
  expect(named('expired-identity')).not.toContain('edge-1');
  expect(shape.ways.map(({ name }) => name)).not.toContain('edge-1→postgres');
});
