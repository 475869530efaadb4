import { expect, test } from 'vitest';
import { anonymous, contractProblems, createClient, defineService, headerNames, implement } from '#kit/contract';
import { type AdaptiveLimit, createAdaptiveLimit } from '#kit/resilience';
import { createVirtualWorld, type Request } from '#kit/runtime';
import { shedLoad } from './shed.ts';

const responses = { 200: {} };
const anyone = { access: ['anonymous'], responses } as const;
const shop = defineService({
  service: 'shop',
  operations: {
    browse: { method: 'GET', path: '/browse', summary: 'Browses', priority: 'low', ...anyone },
    look: { method: 'GET', path: '/look', summary: 'Looks', ...anyone },
    peek: { method: 'GET', path: '/peek', summary: 'Peeks', ...anyone },
    buy: { method: 'GET', path: '/buy', summary: 'Buys', priority: 'critical', ...anyone },
  },
});

function setUp() {
  const world = createVirtualWorld({ seed: 1 });
  const { clock, timers } = world;
  const seen: Request[] = [];
  const answer = async () => {
    await timers.sleep(1_000);
    return { status: 200 as const, body: {} };
  };
  const server = implement(shop, { browse: answer, look: answer, peek: answer, buy: answer }, { clock });
  const recording: typeof server = {
    ...server,
    handle(request, signal) {
      seen.push(request);
      return server.handle(request, signal);
    },
  };
  const limit = createAdaptiveLimit({ clock, initial: 100 });
  const shed = shedLoad(recording, { clock, limit });
  const call = (operation: string, headers: Record<string, string> = {}) =>
    shed.handle(
      { service: 'shop', operation, params: {}, query: {}, headers: { [headerNames.deadlineMs]: '5000', ...headers } },
      new AbortController().signal,
    );
  return { world, limit, seen, shed, call };
}

test('when there is too much to do, browsing is refused with 503 and Retry-After, and buying is not', async () => {
  const { world, call, limit } = setUp();
  const under = [
    ...Array.from({ length: 50 }, () => call('look')),
    ...Array.from({ length: 20 }, () => call('browse')),
  ];
  const refused = await call('browse');
  expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, body: { code: 'mesh/overloaded' } });
  under.push(...Array.from({ length: 30 }, () => call('peek')));
  expect((await call('peek')).status).toBe(503);
  under.push(call('buy'));
  await world.advance(1_001);
  expect((await Promise.all(under)).every(({ status }) => status === 200)).toBe(true);
  expect(limit.active).toBe(0);
});

test('what is late or fails elsewhere says nothing of what there is to do here', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const { clock } = world;
  const outcomes: string[] = [];
  const limit: AdaptiveLimit = {
    ...{ limit: 100, active: 0, refused: 0, retryAfterMs: 100 },
    enter: () => true,
    leave: (...[, , , outcome]) => void outcomes.push(outcome),
  };
  const late = Object.assign(new Error('late'), { category: 'timeout' });
  const answers = [
    async () => ({ status: 200 as const, body: {} }),
    () => Promise.reject(contractProblems.timeout()),
    () => Promise.reject(contractProblems.timeout({ cause: Object.assign(late, { fault: 'elsewhere' }) })),
  ];
  const answer = () => (answers.shift() as (typeof answers)[number])();
  const server = implement(shop, { browse: answer, look: answer, peek: answer, buy: answer }, { clock });
  const shed = shedLoad(server, { clock, limit });
  const request = { service: 'shop', operation: 'look', params: {}, query: {}, headers: {} };
  for (let i = 0; i < 3; i++) await shed.handle(request, new AbortController().signal);
  expect(outcomes).toEqual(['success', 'dropped', 'ignored']);
});

test('what a call is part of makes it as important, over all hops', async () => {
  const { world, call, seen, shed } = setUp();
  const answered = call('browse', { [headerNames.priority]: 'critical' });
  await world.advance(1_001);
  await answered;
  expect(seen[0]?.headers[headerNames.priority]).toBe('critical');
  const client = createClient(shop, { clock: world.clock, transport: { send: (...sent) => shed.handle(...sent) } });
  const context = {
    ...{ caller: anonymous, correlationId: 'c', step: 1, traceparent: undefined, idempotencyKey: undefined },
    ...{ deadlineAtMs: 60_000, signal: new AbortController().signal, headers: seen[0]?.headers ?? {} },
  };
  const forwarded = client.look({}, context);
  await world.advance(1_001);
  await forwarded;
  expect(seen[1]?.headers[headerNames.priority]).toBe('critical');
});
