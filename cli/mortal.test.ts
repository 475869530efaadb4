import { expect, test } from 'vitest';
import { inventory } from '#contracts/inventory';
import type { Database } from '#kit/runtime';
import { type Gate, gateDatabase } from './gate.ts';
import { createMortal } from './mortal.ts';
import { fateOf } from './mortals.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const request = { service: 'inventory', operation: 'levels', params: {}, query: {}, headers: {} };

/** A service that counts its lives, and works on a database until it is told to go on. */
function house() {
  const told: string[] = [];
  let goOn = Promise.withResolvers<void>();
  let lives = 0;
  const database = {
    name: 'books',
    query: async (text: string) => {
      told.push(text);
      return { rows: [], count: 0 };
    },
    transaction: async (work: (tx: unknown) => Promise<unknown>) => {
      const result = await work({ database: 'books', query: database.query, seal() {} });
      told.push('commit');
      return result;
    },
  } as unknown as Database;
  const make = (gate: Gate) => {
    const life = ++lives;
    const books = gateDatabase(database, gate);
    return {
      server: {
        contract: inventory,
        handle: async () => {
          await books.transaction(async (tx) => {
            await tx.query(`insert of life ${life}`);
            await goOn.promise;
          });
          return { status: 200, headers: {}, body: { life } };
        },
      },
      components: [
        {
          name: 'loop',
          start: async () => void told.push(`start ${life}`),
          drain: async () => void told.push(`drain ${life}`),
          stop: async () => void told.push(`stop ${life}`),
        },
        // Stopped first; of a killed one it fails at the gate, and the loop has to end all the same.
        { name: 'lease', stop: async () => void (await books.query('give back')) },
      ],
    };
  };
  const mortal = createMortal('inventory', make, quiet);
  const [component] = mortal.part.components;
  return {
    ...{ told, mortal, component },
    ask: () => mortal.part.server.handle(request, new AbortController().signal),
    release: () => goOn.resolve(),
    hold: () => {
      goOn = Promise.withResolvers();
    },
  };
}

test('what a killed service was at never commits or answers, and it lives again from its books alone', async () => {
  const { told, mortal, component, ask, release } = house();
  await component?.start?.();
  const underWay = ask();
  await expect.poll(() => told).toContain('insert of life 1');
  mortal.want('killed');
  await expect(ask()).rejects.toMatchObject({ code: 'contract/unavailable' });
  release();
  await expect(underWay).rejects.toMatchObject({ code: 'contract/unavailable' });
  await expect.poll(() => told).toContain('stop 1');
  expect(await component?.check?.()).toBe('killed on purpose');
  mortal.want('alive');
  await expect.poll(() => told).toContain('start 2');
  await expect.poll(async () => (await ask().catch(() => undefined))?.body).toEqual({ life: 2 });
  expect(told.filter((line) => line === 'commit')).toHaveLength(1);
  expect(told).not.toContain('drain 1');
});

test('a paused service answers nobody, and goes on where it was', async () => {
  const { told, mortal, component, ask, release } = house();
  await component?.start?.();
  const underWay = ask();
  await expect.poll(() => told).toContain('insert of life 1');
  mortal.want('paused');
  release();
  let isAnswered = false;
  void underWay.then(() => {
    isAnswered = true;
  });
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  expect(isAnswered).toBe(false);
  expect(told).not.toContain('commit');
  mortal.want('alive');
  expect((await underWay).body).toEqual({ life: 1 });
  expect(told).toContain('commit');
});

test('killed goes before paused, and what is together shares its fate', () => {
  const active = [
    { kind: 'paused', service: 'orders' },
    { kind: 'killed', service: 'carts' },
  ] as const;
  expect(fateOf(['orders'], active)).toBe('paused');
  expect(fateOf(['orders', 'carts'], active)).toBe('killed');
  expect(fateOf(['payments'], active)).toBe('alive');
});
