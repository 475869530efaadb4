import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';
import { afterEach, expect, test } from 'vitest';
import { createVirtualWorld, type Guard, guardSystem, systemClock, systemRandom, systemTimers } from './index.ts';

let guard: Guard | undefined;
afterEach(() => guard?.stop());

/** Runs code as if it stood in a file of a service. */
function inFile(path: string, code: string): unknown {
  return runInThisContext(`(() => (${code}))()`, { filename: path });
}
const service = (code: string) => inFile('/house/services/planted/index.ts', code);

const uses: Readonly<Record<string, string>> = {
  'Date.now()': 'clock.now()',
  'new Date()': 'clock.now()',
  'Date()': 'clock.now()',
  'performance.now()': 'clock.monotonicMs()',
  'process.hrtime()': 'Clock port',
  'Math.random()': 'random.next()',
  'setTimeout(() => {}, 0)': 'timers.after',
  'setInterval(() => {}, 1)': 'Timers port',
  'setImmediate(() => {})': 'Timers port',
  'queueMicrotask(() => {})': 'Timers port',
  'crypto.randomUUID()': 'ids.next',
  'crypto.getRandomValues(new Uint8Array(1))': 'random.bytes',
  "console.log('x')": 'log.info',
  "fetch('http://127.0.0.1:1')": 'Transport port',
  "new WebSocket('ws://127.0.0.1:1')": 'Transport port',
  'process.env.HOME': 'createX',
};

test('whoever reaches past the ports is told which port to use, and it is remembered', () => {
  guard = guardSystem();
  for (const [code, port] of Object.entries(uses)) {
    expect(() => service(code), code).toThrow(port);
  }
  expect(guard.uses).toHaveLength(Object.keys(uses).length);
  expect(guard.uses[0]).toContain('/house/services/planted/index.ts');
});

test('named imports of built-in modules are guarded too', () => {
  guard = guardSystem();
  const planted = runInThisContext('(bytes) => bytes(1)', { filename: '/house/kit/planted/index.ts' });
  expect(() => planted(randomBytes)).toThrow('random.bytes');
});

test('what only computes still works, and dates stay dates', () => {
  const before = new Date(0);
  guard = guardSystem();
  expect(service("new Date(5).toISOString() + Date.UTC(2030, 0, 1) + Date.parse('2030-01-01')")).toMatch(/^1970/);
  expect(service('new Date(5) instanceof Date && new Date(5).constructor === Date')).toBe(true);
  expect(before).toBeInstanceOf(Date);
});

test('the ports themselves go on, and so does code that is excepted', async () => {
  guard = guardSystem({ except: ['/house/lab/driver.ts'] });
  expect(systemClock.now()).toBeGreaterThan(0);
  expect(systemClock.monotonicMs()).toBeGreaterThan(0);
  expect(systemRandom.next() + systemRandom.bytes(1).length).toBeGreaterThanOrEqual(1);
  await systemTimers.sleep(0);
  const world = createVirtualWorld({ seed: 1 });
  world.timers.after(1_000, () => world.ids.next('x'));
  await world.runUntilIdle();
  expect(inFile('/house/lab/driver.ts', 'Date.now()')).toBeGreaterThan(0);
  expect(inFile(join(import.meta.dirname, 'x.ts'), 'Math.random()')).toBeLessThan(1);
  expect(guard.uses).toEqual([]);
});

test('after stop everything is as it was, and the guard can be switched on again', () => {
  const before = { Date, now: Date.now, setTimeout, env: process.env, randomBytes };
  guard = guardSystem();
  expect(() => guardSystem()).toThrow('stop it first');
  guard.stop();
  expect({ Date, now: Date.now, setTimeout, env: process.env, randomBytes }).toEqual(before);
  for (const code of ['Date.now()', 'Math.random()', 'new Date()']) expect(() => service(code)).not.toThrow();
  guard = guardSystem();
  expect(() => service('Date.now()')).toThrow('Clock port');
});
