import { expect, test } from 'vitest';
import { createRejoiningClock } from '#kit/clock';
import { createVirtualWorld } from '#kit/runtime';
import { type CallContext, createClient, createLocalTransport, defineService, implement } from './index.ts';

const shop = defineService({
  service: 'shop',
  operations: {
    look: { method: 'GET', path: '/look', summary: 'Looks', access: ['anonymous'], responses: { 200: {} } },
  },
});

const hourMs = 3_600_000;

test('a caller whose clock ran an hour ahead and was put right is refused once, not for an hour', async () => {
  const { clock, timers } = createVirtualWorld({ seed: 1 });
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
  const context: CallContext = {
    caller: { kind: 'service', id: 'till' },
    correlationId: 'cor',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: clock.monotonicMs() + 1_000,
    signal: new AbortController().signal,
    headers: {},
  };
  const look = () => client.look({}, context);
  const refusal = { code: 'contract/clock-skew', detail: expect.stringContaining('till: ') };
  await expect(look()).rejects.toMatchObject(refusal);
  aheadMs = 0;
  await expect(look()).rejects.toMatchObject(refusal);
  expect(await look()).toMatchObject({ status: 200 });
});
