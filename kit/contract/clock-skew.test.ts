import { expect, test } from 'vitest';
import { createRejoiningClock } from '#kit/clock';
import { createVirtualWorld } from '#kit/runtime';
import { createClient, createLocalTransport, defineService, implement, ownContext } from './index.ts';

const shop = defineService({
  service: 'shop',
  operations: {
    look: { method: 'GET', path: '/look', summary: 'Looks', access: ['anonymous'], responses: { 200: {} } },
  },
});

const hourMs = 3_600_000;

test('a caller whose clock ran an hour ahead and was put right is refused once, not for an hour', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const { clock, timers } = world;
  let aheadMs = hourMs;
  const callersClock = { ...clock, now: () => clock.now() + aheadMs, monotonicMs: clock.monotonicMs };
  const server = implement(
    shop,
    { look: async () => ({ status: 200 as const, body: {} }) },
    { clock, logicalClock: createRejoiningClock({ clock }) },
  );
  const transport = createLocalTransport(timers);
  transport.attach(server);
  const client = createClient(shop, {
    clock,
    transport,
    logicalClock: createRejoiningClock({ clock: callersClock }),
  });
  const context = ownContext(world, { service: 'till', timeoutMs: 1_000 });
  const look = () => client.look({}, context);
  const refusal = { code: 'contract/clock-skew', detail: expect.stringContaining('till: ') };
  await expect(look()).rejects.toMatchObject(refusal);
  aheadMs = 0;
  await expect(look()).rejects.toMatchObject(refusal);
  expect(await look()).toMatchObject({ status: 200 });
});
