import Type from 'typebox';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { headerNames } from './context.ts';
import { createLocalTransport, defineService, implement } from './index.ts';

const waiting = defineService({
  service: 'waiting',
  operations: {
    wait: {
      method: 'GET',
      path: '/wait',
      summary: 'Waits',
      access: ['anonymous'],
      responses: { 200: Type.Object({}) },
    },
  },
});

/** A service whose one operation ends when it is told to, and tells of its signal. */
function setUp() {
  const world = createVirtualWorld({ seed: 1 });
  const { promise: answer, resolve: finish } = Promise.withResolvers<{ status: 200; body: object }>();
  let signal: AbortSignal | undefined;
  const handlers = {
    wait: (_: unknown, context: { readonly signal: AbortSignal }) => {
      signal = context.signal;
      return answer;
    },
  };
  const local = createLocalTransport(world.timers);
  local.attach(implement(waiting, handlers, { clock: world.clock }));
  const caller = new AbortController();
  const send = (deadlineMs: number) => {
    const headers = { [headerNames.deadlineMs]: String(deadlineMs) };
    const request = { service: 'waiting', operation: 'wait', params: {}, query: {}, headers, body: undefined };
    return local.send(request, caller.signal);
  };
  return { world, caller, send, finish: () => finish({ status: 200, body: {} }), signal: () => signal as AbortSignal };
}

test('a call that takes too long ends with the deadline, and the work behind it is told to stop', async () => {
  const { world, send, signal } = setUp();
  const outcome = send(100).catch((error) => error);
  await world.advance(99);
  expect(signal().aborted).toBe(false);
  await world.advance(1);
  expect(await outcome).toMatchObject({ code: 'contract/timeout', detail: 'waiting.wait took over 100 ms' });
  expect(signal().aborted).toBe(true);
  expect(signal().reason).toMatchObject({ category: 'timeout' });
});

test('the work is told when its caller has gone, whether that was before the call or during it', async () => {
  const during = setUp();
  void during.send(100);
  await during.world.advance(10);
  during.caller.abort('gone');
  expect(during.signal()).toMatchObject({ aborted: true, reason: 'gone' });

  const before = setUp();
  before.caller.abort('gone');
  void before.send(100);
  await before.world.advance(0);
  expect(before.signal()).toMatchObject({ aborted: true, reason: 'gone' });
});

test('a call that was answered leaves no timer and no listener behind, and its work is not told to stop', async () => {
  const { world, caller, send, finish, signal } = setUp();
  const reply = send(100);
  await world.advance(10);
  finish();
  expect((await reply).status).toBe(200);
  caller.abort('gone');
  await world.advance(1_000);
  expect(signal().aborted).toBe(false);
});
