import { expect, test } from 'vitest';
import { type Component, createHost, createVirtualWorld } from './index.ts';

function createStage(options: { readonly quietMs?: number; readonly drainTimeoutMs?: number } = {}) {
  const world = createVirtualWorld({ seed: 1 });
  const host = createHost({ log: world.log, timers: world.timers, ...options });
  const seen: string[] = [];
  const add = (name: string, more: Partial<Component> = {}) => {
    host.add({
      name,
      start: async () => void seen.push(`${name} starts`),
      drain: async () => void seen.push(`${name} drains`),
      stop: async () => void seen.push(`${name} stops`),
      ...more,
    });
  };
  return { world, host, seen, add };
}

test('components start in the order in which they were added, and drain and stop in reverse', async () => {
  const { host, seen, add } = createStage();
  for (const name of ['pool', 'server', 'door']) add(name);
  expect(host.state).toBe('new');
  await host.start();
  expect(host.state).toBe('ready');
  await host.stop();
  expect(host.state).toBe('stopped');
  expect(seen).toEqual([
    'pool starts',
    'server starts',
    'door starts',
    'door drains',
    'server drains',
    'pool drains',
    'door stops',
    'server stops',
    'pool stops',
  ]);
});

test('everything drains before anything stops', async () => {
  const { world, host, seen, add } = createStage();
  add('pool');
  add('slow', {
    drain: async () => {
      await world.timers.sleep(700);
      seen.push('slow has drained');
    },
  });
  await host.start();
  const stopped = host.stop();
  await world.advance(699);
  expect(seen).not.toContain('slow stops');
  await world.advance(1);
  await stopped;
  expect(seen.slice(2)).toEqual(['slow has drained', 'pool drains', 'slow stops', 'pool stops']);
});

test('when one component fails to start, those started are stopped, the others never start, and the error is told', async () => {
  const { host, seen, add } = createStage();
  add('pool');
  add('broken', { start: () => Promise.reject(new Error('no disk')) });
  add('door');
  await expect(host.start()).rejects.toThrow('no disk');
  expect(host.state).toBe('stopped');
  // The broken one too: it may have opened something before it failed.
  expect(seen).toEqual(['pool starts', 'broken drains', 'pool drains', 'broken stops', 'pool stops']);
});

test('a host that is told to stop while it starts, starts nothing more', async () => {
  const { world, host, seen, add } = createStage();
  add('slow', { start: () => world.timers.sleep(500) });
  add('door');
  const started = host.start();
  await world.advance(100);
  const stopped = host.stop();
  await world.runUntilIdle();
  await Promise.all([started, stopped]);
  expect(host.state).toBe('stopped');
  expect(seen).not.toContain('door starts');
});

test('a component that hangs is given up after its time, and the rest ends all the same', async () => {
  const { world, host, seen, add } = createStage({ drainTimeoutMs: 1_000 });
  add('pool');
  add('stuck', { drain: () => new Promise(() => {}) });
  await host.start();
  const startMs = world.nowMs;
  const stopped = host.stop();
  await world.runUntilIdle();
  await stopped;
  expect(world.nowMs - startMs).toBe(1_000);
  expect(seen.slice(-3)).toEqual(['pool drains', 'stuck stops', 'pool stops']);
  expect(world.lines).toMatchObject([{ level: 'warn', message: 'drain failed', fields: { component: 'stuck' } }]);
});

test('a failure while stopping is logged and keeps nothing else from stopping', async () => {
  const { world, host, seen, add } = createStage();
  add('pool');
  add('sour', { stop: () => Promise.reject(new Error('already gone')) });
  await host.start();
  await host.stop();
  expect(seen.at(-1)).toBe('pool stops');
  expect(world.lines).toMatchObject([{ level: 'warn', message: 'stop failed', fields: { component: 'sour' } }]);
});

test('readiness fails for the quiet time before anything drains', async () => {
  const { world, host, seen, add } = createStage({ quietMs: 3_000 });
  add('door');
  await host.start();
  expect(await host.unready()).toEqual({});
  const stopped = host.stop();
  await world.advance(2_999);
  expect(host.state).toBe('draining');
  expect(await host.unready()).toEqual({ host: 'draining' });
  expect(seen).toEqual(['door starts']);
  await world.advance(1);
  await stopped;
  expect(seen).toEqual(['door starts', 'door drains', 'door stops']);
});

test('what keeps the host from being ready is told by component, also when the check itself fails', async () => {
  const { host, add } = createStage();
  add('pool', { check: async () => 'no connection' });
  add('log', { check: () => Promise.reject(new Error('timed out')) });
  add('door', { check: async () => undefined });
  expect(await host.unready()).toEqual({ host: 'new' });
  await host.start();
  expect(await host.unready()).toEqual({ pool: 'no connection', log: 'timed out' });
});

test('stopping twice, at once or later, is one stop', async () => {
  const { host, seen, add } = createStage();
  add('door');
  await host.start();
  await Promise.all([host.stop(), host.stop()]);
  await host.stop();
  expect(seen).toEqual(['door starts', 'door drains', 'door stops']);
});

test('a host that never started stops without touching its components', async () => {
  const { host, seen, add } = createStage();
  add('door');
  await host.stop();
  expect(host.state).toBe('stopped');
  expect(seen).toEqual([]);
});

test('a host starts once, and takes no component after that', async () => {
  const { host, add } = createStage();
  add('door');
  await host.start();
  expect(() => add('late')).toThrow('late was added after start');
  await expect(host.start()).rejects.toThrow('start called in state ready');
});

test('a host leaves no timer behind', async () => {
  const { world, host, add } = createStage({ drainTimeoutMs: 60_000 });
  add('door');
  await host.start();
  await host.stop();
  expect(world.pendingCount).toBe(0);
});
