import { expect, test } from 'vitest';
import { createTurns, type Holder } from './database-turns.ts';
import type { Incarnation } from './node.ts';
import { createSimulation } from './simulation.ts';

const clientOf = (name: string) =>
  ({ node: { name, onCrash() {} }, isAlive: true, guard: (task: () => void) => task }) as unknown as Incarnation;

const holderOf = (name: string): Holder => ({
  ...{ client: clientOf(name), inTransaction: true, broken: undefined },
  cancelIdle() {},
});

test('when the server stops, what is open is undone, and who waits for a turn gets none', async () => {
  let undone = 0;
  const simulation = createSimulation(1, { keepTrace: false });
  const turns = createTurns({ simulation, name: 'db-orders', rollback: () => void undone++ });
  const [first, ...others] = [holderOf('orders-1'), holderOf('orders-2'), holderOf('payments-1')];
  await turns.take(first as Holder);
  const told = others.map((one) => turns.take(one));
  turns.cutAll('terminating connection due to administrator command');
  await Promise.all(told);
  for (const one of [first as Holder, ...others]) expect(one.broken?.message).toContain('administrator command');
  expect(undone).toBe(1);
  // The turn is nobody's: whoever comes when the server is back has it at once.
  await turns.take(holderOf('orders-3'));
});
