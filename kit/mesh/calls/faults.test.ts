import Type from 'typebox';
import { expect, test } from 'vitest';
import {
  contractProblems,
  createClient,
  defineService,
  implement,
  ownContext,
  type ServiceServer,
} from '#kit/contract';
import { createResilientTransport } from '#kit/resilience';
import { createVirtualWorld, type Reply } from '#kit/runtime';
import { DatabaseUnavailable, StoreOverloaded } from '#kit/store';
import { meshProblems } from '../problems.ts';

/** A service with one read, which is whatever `answer` does. */
function serviceOf<const Name extends string>(name: Name) {
  return defineService({
    service: name,
    operations: {
      read: {
        method: 'GET',
        path: `/${name}`,
        summary: 'Read',
        access: ['service'],
        responses: { 200: Type.Object({ from: Type.String() }) },
      },
    },
  });
}
const timeoutMs = 5_000;
const [front, middle, back] = [serviceOf('front'), serviceOf('middle'), serviceOf('back')];

/** front → middle → back, each with the breakers of the mesh before its calls. */
function setUp() {
  const world = createVirtualWorld({ seed: 1 });
  const state = { isBackThere: true, middleFails: undefined as (() => Error) | undefined };
  const replies: Reply[] = [];
  function callsTo(server: () => ServiceServer, isThere: () => boolean) {
    return createResilientTransport({
      ...world,
      transport: {
        async send(request, signal) {
          if (!isThere()) throw contractProblems.unavailable({ detail: 'no connection', retry: 'same-key' });
          const reply = await server().handle(request, signal);
          replies.push(reply);
          return reply;
        },
      },
    });
  }
  const backServer = implement(back, { read: async () => ({ status: 200 as const, body: { from: 'back' } }) }, world);
  const toBack = callsTo(
    () => backServer,
    () => state.isBackThere,
  );
  const backClient = createClient(back, { transport: toBack, clock: world.clock });
  const middleServer = implement(
    middle,
    {
      async read(_input, context) {
        if (state.middleFails) throw state.middleFails();
        return backClient.read({}, context);
      },
    },
    world,
  );
  const toMiddle = callsTo(
    () => middleServer,
    () => true,
  );
  const client = createClient(middle, { transport: toMiddle, clock: world.clock });
  const ask = () =>
    client.read({}, ownContext(world, { service: front.service, timeoutMs })).then(
      ({ body }) => body.from,
      (error) => error.code as string,
    );
  /** Ten calls a second; what came of each. */
  async function callFor(seconds: number): Promise<string[]> {
    const answers: Promise<string>[] = [];
    for (let i = 0; i < seconds * 10; i++) {
      answers.push(ask());
      await world.advance(100);
    }
    await world.advance(timeoutMs);
    return Promise.all(answers);
  }
  return { state, toBack, callFor, replies };
}

test('while what is behind it is away nobody leaves the middle alone, so all is well as soon as it is back', async () => {
  const { state, toBack, callFor, replies } = setUp();
  expect(new Set(await callFor(1))).toEqual(new Set(['back']));
  state.isBackThere = false;
  const answers = await callFor(20);
  // The middle has its breaker; nobody has one before the middle, so each call reaches it.
  expect(answers.at(-1)).toBe('resilience/breaker-open');
  const reached = replies.length;
  await callFor(1);
  expect(replies.length).toBeGreaterThanOrEqual(reached + 10);
  state.isBackThere = true;
  toBack.tryAgain('back');
  expect(new Set(await callFor(1))).toEqual(new Set(['back']));
});

test.each([
  ['itself', 'resilience/breaker-open', () => contractProblems.unavailable()],
  ['a bug', 'resilience/breaker-open', () => new TypeError('x is undefined')],
  ['too much to do', 'mesh/overloaded', () => meshProblems.overloaded()],
  ['a full queue', 'contract/unavailable', () => new StoreOverloaded('orders')],
  ['its database', 'contract/unavailable', () => new DatabaseUnavailable('orders', 'gone')],
] as const)('where the middle never serves because of %s, its callers are told %s', async (_why, code, fails) => {
  const { state, callFor } = setUp();
  state.middleFails = fails;
  await callFor(10);
  expect(new Set(await callFor(1))).toEqual(new Set([code]));
});

test('replies say whose fault they are', async () => {
  const { state, callFor, replies } = setUp();
  const faults = async (fails: () => Error) => {
    state.middleFails = fails;
    await callFor(0.1);
    return replies.at(-1)?.headers['holdfast-fault'];
  };
  expect(await faults(() => meshProblems.overloaded())).toBe('load');
  expect(await faults(() => new Error('wrapped', { cause: new StoreOverloaded('orders') }))).toBe('load');
  expect(await faults(() => new DatabaseUnavailable('orders', 'gone'))).toBe('elsewhere');
  expect(await faults(() => meshProblems['no-instance']())).toBe('elsewhere');
  expect(await faults(() => contractProblems.unavailable())).toBeUndefined();
  // What was asked wrongly is nobody's fault here.
  expect(await faults(() => contractProblems['not-found']({ cause: new DatabaseUnavailable('orders', 'gone') }))).toBe(
    undefined,
  );
});
