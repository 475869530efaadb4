import { expect, test } from 'vitest';
import type { Order } from '#contracts/orders';
import { createVirtualWorld } from '#kit/runtime';
import { createFollowers } from './follow.ts';

const order = (id: string, state: Order['state']): Order => ({
  id,
  businessKey: 'k',
  state,
  email: 'ada@example.com',
  channel: 'web',
  currency: 'EUR',
  totalMinor: 100,
  lines: [],
  refundedMinor: 0,
  returns: [],
  refunds: [],
  placedAt: '2030-01-01T00:00:00.000Z',
});

function house(followersMax?: number) {
  const world = createVirtualWorld({ seed: 1 });
  const orders = new Map<string, Order>();
  const asked: string[][] = [];
  const followers = createFollowers({
    ...world,
    read: async (ids) => {
      asked.push([...ids].sort());
      return orders;
    },
    ...(followersMax === undefined ? {} : { followersMax }),
  });
  function listen(id: string, state: Order['state'], signal = new AbortController().signal) {
    const first = order(id, state);
    orders.set(id, first);
    const heard: string[] = [];
    const ended = (async () => {
      for await (const each of followers.follow(first, signal)) heard.push(each.state);
      heard.push('end');
    })();
    return { heard, ended };
  }
  return { world, orders, asked, listen };
}

test('whoever follows an order hears of each change once, and the end when nothing is under way', async () => {
  const { world, orders, listen } = house();
  const { heard } = listen('a', 'received');
  await world.advance(1_000);
  expect(heard).toEqual(['received']);
  orders.set('a', order('a', 'authorized'));
  await world.advance(1_000);
  orders.set('a', order('a', 'confirmed'));
  await world.advance(1_000);
  expect(heard).toEqual(['received', 'authorized', 'confirmed', 'end']);
});

test('what is decided already is told and ended at once', async () => {
  const { heard, ended } = house().listen('a', 'refused');
  await ended;
  expect(heard).toEqual(['refused', 'end']);
});

test('all who follow are served by one statement a period, and without followers nothing is asked', async () => {
  const { world, orders, asked, listen } = house();
  for (const id of ['a', 'b', 'a']) listen(id, 'received');
  await world.advance(200);
  expect(asked).toEqual([['a', 'b']]);
  for (const id of ['a', 'b']) orders.set(id, order(id, 'confirmed'));
  await world.advance(10_000);
  expect(asked).toHaveLength(2);
  expect(world.pendingCount).toBe(0);
});

test('an order that stays as it is is told again every 10 s, and after 2 minutes the line is closed', async () => {
  const { world, listen } = house();
  const { heard } = listen('a', 'received');
  await world.advance(25_000);
  expect(heard).toEqual(['received', 'received', 'received']);
  await world.advance(100_000);
  expect(heard.at(-1)).toBe('end');
});

test('whoever goes away is forgotten, and one too many is refused', async () => {
  const { world, asked, listen } = house(2);
  const leaving = new AbortController();
  listen('a', 'received', leaving.signal);
  listen('b', 'received');
  await world.advance(200);
  await expect(listen('c', 'received').ended).rejects.toMatchObject({ code: 'orders/too-many-followers' });
  leaving.abort();
  await world.advance(400);
  expect(asked.at(-1)).toEqual(['b']);
  listen('c', 'received');
  await world.advance(200);
  expect(asked.at(-1)).toEqual(['b', 'c']);
});
