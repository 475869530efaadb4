import { expect, test, vi } from 'vitest';
import { createVirtualWorld, type Timers } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { testWorld } from '../testing/index.ts';
import { createDirectory } from './directory.ts';
import type { Instance, Registry } from './instance.ts';
import { createMemoryRegistry } from './memory-registry.ts';
import { createPostgresRegistry, registryMigrations } from './postgres-registry.ts';

const orders1: Instance = {
  ...{
    process: 'orders-1',
    startId: 'start_1',
    services: ['orders'],
    host: '127.0.0.1',
    port: 4101,
    operatorPort: 5101,
    zone: 'a',
  },
};
const orders2: Instance = { ...orders1, process: 'orders-2', startId: 'start_2', port: 4102 };

/** A registry, and its time: leases end when the test says so, and not while the machine is busy with other things. */
interface Timed {
  readonly registry: Registry;
  pass(ms: number): Promise<unknown>;
}

async function onPostgres(): Promise<Timed> {
  const { url } = await createTestDatabase();
  await migrate(url, [registryMigrations]);
  const database = createDatabase({ url, name: 'registry', ...testWorld, connectionsMax: 4 });
  return {
    registry: createPostgresRegistry({ database }),
    // All times are the database's, so what ends earlier is the same as time that has passed.
    pass: (ms) =>
      database.query(
        `with moved as (update mesh_revocation set kept_until = kept_until - $1 * interval '1 millisecond')
         update mesh_instance set expires_at = expires_at - $1 * interval '1 millisecond'`,
        [ms],
      ),
  };
}

async function inMemory(): Promise<Timed> {
  const world = createVirtualWorld({ seed: 1 });
  return { registry: createMemoryRegistry(world), pass: (ms) => world.advance(ms) };
}

/** What every registry promises. */
const registries = { postgres: onPostgres, memory: inMemory };
/** Longer than any test takes. */
const leaseMs = 600_000;
const eventually = <T>(probe: () => T) => expect.poll(probe);

for (const [name, open] of Object.entries(registries)) {
  test(`${name}: who registers is seen, word goes round, and who leaves is gone`, async () => {
    const { registry } = await open();
    const changed = vi.fn();
    const forget = await registry.watch(changed);
    changed.mockClear();
    await registry.join(orders1, leaseMs);
    await eventually(() => changed.mock.calls.length).toBe(1);
    await registry.renew(orders2, leaseMs);
    expect((await registry.look()).instances).toEqual([orders1, orders2]);
    await eventually(() => changed.mock.calls.length).toBe(2);
    await registry.remove(orders1);
    await eventually(() => changed.mock.calls.length).toBe(3);
    expect((await registry.look()).instances).toEqual([orders2]);
    forget();
  });

  test(`${name}: a renewal keeps it there and tells nobody; without one it disappears`, async () => {
    const { registry, pass } = await open();
    const changed = vi.fn();
    const forget = await registry.watch(changed);
    changed.mockClear();
    await registry.renew(orders1, leaseMs);
    await pass(leaseMs - 60_000);
    await registry.renew(orders1, leaseMs);
    await pass(leaseMs - 60_000);
    expect((await registry.look()).instances).toEqual([orders1]);
    await pass(60_000);
    expect((await registry.look()).instances).toEqual([]);
    // Word comes in order: after that of a newcomer none of the renewal is under way.
    await registry.join(orders2, leaseMs);
    await eventually(() => changed.mock.calls.length).toBe(2);
    forget();
  });

  test(`${name}: an old start does not remove its successor`, async () => {
    const { registry } = await open();
    await registry.renew(orders1, leaseMs);
    const successor = { ...orders1, startId: 'start_later' };
    await registry.join(successor, leaseMs);
    await registry.remove(orders1);
    expect((await registry.look()).instances).toEqual([successor]);
  });

  test(`${name}: a start that was overtaken does not come back while its successor lives, and does after it`, async () => {
    const { registry, pass } = await open();
    const successor = { ...orders1, startId: 'start_later', port: 4199, doorPort: 4080 };
    const changed = vi.fn();
    const forget = await registry.watch(changed);
    changed.mockClear();
    await registry.join(orders1, leaseMs);
    await registry.join(successor, leaseMs);
    await registry.renew(orders1, 2 * leaseMs);
    expect((await registry.look()).instances).toEqual([successor]);
    await pass(leaseMs);
    await registry.renew(orders1, leaseMs);
    expect((await registry.look()).instances).toEqual([orders1]);
    // Two joined, and one came back.
    await eventually(() => changed.mock.calls.length).toBe(3);
    forget();
  });

  test(`${name}: a revocation is told and kept for its time`, async () => {
    const { registry, pass } = await open();
    await registry.revoke('ab12', leaseMs);
    expect((await registry.look()).revoked).toEqual(['AB12']);
    await pass(leaseMs);
    expect((await registry.look()).revoked).toEqual([]);
  });
}

/** A registry in a virtual world that can be away, and whose word can be lost. */
function shaky() {
  const world = createVirtualWorld({ seed: 1 });
  const memory = createMemoryRegistry(world);
  let isAway = false;
  let isDeaf = false;
  const orAway =
    <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
    async (...args: Args) => {
      if (isAway) throw new Error('away');
      return call(...args);
    };
  const registry: Registry = {
    join: orAway(memory.join),
    renew: orAway(memory.renew),
    remove: orAway(memory.remove),
    look: orAway(memory.look),
    revoke: orAway(memory.revoke),
    watch: (onChange) => memory.watch(() => void (isDeaf || isAway || onChange())),
  };
  return {
    world,
    memory,
    registry,
    setAway(away: boolean) {
      isAway = away;
    },
    setDeaf(deaf: boolean) {
      isDeaf = deaf;
    },
    member: (timers: Timers = world.timers) => createDirectory({ ...world, timers, registry }),
  };
}

const namesOf = (directory: { instances: readonly Instance[] }) => directory.instances.map(({ process }) => process);

test('whoever watches knows of a newcomer at once, and within a second when word is lost', async () => {
  const { world, registry, setDeaf, member } = shaky();
  const watcher = member();
  await watcher.start();
  await registry.renew(orders1, 60_000);
  await world.advance(1);
  expect(namesOf(watcher)).toEqual(['orders-1']);
  setDeaf(true);
  await registry.renew(orders2, 60_000);
  await world.advance(1_001);
  expect(namesOf(watcher)).toEqual(['orders-1', 'orders-2']);
});

test('a member that dies is gone after its lease, one that leaves at once', async () => {
  const { world, member } = shaky();
  const [watcher, dying, leaving] = [member(), member(), member()];
  for (const directory of [watcher, dying, leaving]) await directory.start();
  await dying.join(orders1);
  await leaving.join(orders2);
  await world.advance(20_000);
  expect(namesOf(watcher)).toEqual(['orders-1', 'orders-2']);
  await leaving.leave();
  await world.advance(1);
  expect(namesOf(watcher)).toEqual(['orders-1']);
  dying.stop();
  await world.advance(6_100);
  expect(namesOf(watcher)).toEqual([]);
});

test('while the registry is away the last knowledge counts, and its return forgets nobody who lives', async () => {
  const { world, setAway, member } = shaky();
  const [watcher, first, second] = [member(), member(), member()];
  for (const directory of [watcher, first, second]) await directory.start();
  await first.join(orders1);
  await second.join(orders2);
  await world.advance(5_000);
  setAway(true);
  await world.advance(120_000);
  expect(namesOf(watcher)).toEqual(['orders-1', 'orders-2']);
  first.stop();
  setAway(false);
  const seen: string[][] = [];
  watcher.onChange(() => seen.push(namesOf(watcher)));
  await world.advance(3_000);
  expect(namesOf(watcher)).toEqual(['orders-1', 'orders-2']);
  await world.advance(6_000);
  expect(namesOf(watcher)).toEqual(['orders-2']);
  expect(seen.every((names) => names.includes('orders-2'))).toBe(true);
});

test('a restarted instance replaces itself', async () => {
  const { world, member } = shaky();
  const [watcher, orders] = [member(), member()];
  await watcher.start();
  await orders.start();
  await orders.join(orders1);
  await orders.join({ ...orders1, startId: 'start_next', port: 4999 });
  await world.advance(10);
  expect(watcher.instances).toMatchObject([{ startId: 'start_next', port: 4999 }]);
});
