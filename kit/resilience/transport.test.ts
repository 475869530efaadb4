import { expect, test } from 'vitest';
import { createVirtualWorld, type Reply, type Request } from '#kit/runtime';
import { createResilientTransport, type OperationPolicy } from './transport.ts';

const request = (more: Partial<Request> = {}): Request => ({
  ...{ service: 'stock', operation: 'read', params: {}, query: {}, headers: { 'holdfast-deadline-ms': '10000' } },
  ...more,
});
const ok: Reply = { status: 200, headers: {} };
const failed: Reply = { status: 503, headers: {}, body: { category: 'unavailable', retry: 'same-key' } };
const never = new AbortController().signal;

function setUp(
  send: (request: Request, tried: Set<string>, sleep: (ms: number) => Promise<void>) => Promise<Reply>,
  policy: OperationPolicy = {},
) {
  const world = createVirtualWorld({ seed: 1 });
  const calls: Request[] = [];
  const transport = createResilientTransport({
    ...world,
    policyOf: () => policy,
    transport: {
      send(each, signal, tried) {
        calls.push(each);
        return send(each, tried, (ms) => world.timers.sleep(ms, signal));
      },
    },
  });
  return { world, transport, calls };
}

test('an instance that does not answer in 2 s is given up and another one is tried', async () => {
  const { world, transport } = setUp(async (_request, tried, sleep) => {
    if (tried.size === 0) {
      tried.add('first');
      await sleep(60_000);
    }
    expect([...tried]).toEqual(['first']);
    return ok;
  });
  const answered = transport.send(request(), never);
  await world.advance(1_999);
  let isAnswered = false;
  void answered.then(() => {
    isAnswered = true;
  });
  expect(isAnswered).toBe(false);
  await world.advance(100);
  expect(await answered).toBe(ok);
});

test('a deadline that is no plain number counts as none', async () => {
  const { world, transport } = setUp(async (_request, _tried, sleep) => {
    await sleep(60_000);
    return ok;
  });
  for (const odd of ['', 'soon', '-1', 'NaN', 'Infinity']) {
    const ended = transport
      .send(request({ body: {}, headers: { 'holdfast-deadline-ms': odd } }), never)
      .catch((e) => e);
    await world.advance(60_000);
    expect(await ended, odd).toMatchObject({ category: 'timeout' });
  }
});

test('at most three tries are made, and what may not be repeated is tried once', async () => {
  const { world, transport, calls } = setUp(async () => failed);
  const answered = transport.send(request(), never);
  await world.advance(5_000);
  expect((await answered).status).toBe(503);
  expect(calls).toHaveLength(3);
  const order = transport.send(request({ body: {} }), never);
  await world.advance(5_000);
  expect((await order).status).toBe(503);
  expect(calls).toHaveLength(4);
});

test('a stream takes its time and is never repeated', async () => {
  const slow = setUp(
    async (_request, _tried, sleep) => {
      await sleep(9_000);
      return failed;
    },
    { streams: true },
  );
  const answered = slow.transport.send(request(), never);
  await slow.world.advance(9_001);
  expect((await answered).status).toBe(503);
  expect(slow.calls).toHaveLength(1);
});

test('an operation that fails does not keep the others of its service from being called', async () => {
  const { world, transport, calls } = setUp(async ({ operation }) => (operation === 'bad' ? failed : ok));
  for (let i = 0; i < 100; i++) {
    void transport.send(request({ operation: 'bad' }), never).catch(() => {});
    await world.advance(200);
  }
  expect(calls.length).toBeLessThan(100);
  await expect(transport.send(request({ operation: 'bad' }), never)).rejects.toThrow(/stock.bad failed too often/);
  expect((await transport.send(request({ operation: 'good' }), never)).status).toBe(200);
});

test.each(['load', 'elsewhere'])('who says that it is well itself (%s) opens no breaker', async (fault) => {
  const careful: Reply = { ...failed, headers: { 'retry-after': '1', 'holdfast-fault': fault } };
  let isBusy = true;
  const { world, transport } = setUp(async () => (isBusy ? careful : ok));
  for (let i = 0; i < 100; i++) {
    void transport.send(request(), never).catch(() => {});
    await world.advance(50);
  }
  isBusy = false;
  expect((await transport.send(request(), never)).status).toBe(200);
});

test('one that answers only 503 by its own fault is not called any more, whenever it says to come back', async () => {
  const { world, transport, calls } = setUp(async () => ({ ...failed, headers: { 'retry-after': '1' } }));
  for (let i = 0; i < 40; i++) {
    void transport.send(request(), never).catch(() => {});
    await world.advance(100);
  }
  const made = calls.length;
  await expect(transport.send(request(), never)).rejects.toThrow(/failed too often/);
  expect(calls).toHaveLength(made);
});

test('what is not called any more is tried again at once when an instance of its service has come', async () => {
  let isAway = true;
  const { world, transport, calls } = setUp(async () => (isAway ? failed : ok));
  for (let i = 0; i < 40; i++) {
    void transport.send(request(), never).catch(() => {});
    await world.advance(100);
  }
  await expect(transport.send(request(), never)).rejects.toThrow(/failed too often/);
  transport.tryAgain('another');
  await expect(transport.send(request(), never)).rejects.toThrow(/failed too often/);
  transport.tryAgain('stock');
  const made = calls.length;
  await Promise.allSettled([transport.send(request(), never), world.advance(1_000)]);
  expect(calls.length, 'one probe, and open again').toBe(made + 1);
  await expect(transport.send(request(), never)).rejects.toThrow(/failed too often/);
  isAway = false;
  transport.tryAgain('stock');
  expect((await transport.send(request(), never)).status).toBe(200);
  expect((await transport.send(request(), never)).status).toBe(200);
});

test('no retry storm: a service of which each tenth call fails gets at most 1.2 times its load, a dead one less', async () => {
  for (const failEvery of [10, 4, 3, 1]) {
    let count = 0;
    const { world, transport, calls } = setUp(async () => {
      count += 1;
      return count % failEvery === 0 ? failed : ok;
    });
    const load = 200;
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < load; i++) {
        void transport.send(request(), never).catch(() => {});
        await world.advance(1_000 / load);
      }
    }
    const calledMax = failEvery === 1 ? 0.2 : 1.2;
    expect(calls.length / (20 * load), `every ${failEvery}`).toBeLessThanOrEqual(calledMax);
  }
});
