import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEnvelope, createPostgresLog } from '#kit/messaging';
import { quietWorld, until } from '#kit/messaging/testing';
import { createDatabase } from '#kit/store';
import { startWholeShop, type WholeShop } from '../test/whole-shop.ts';
import { newFolder, runCommand } from './testing.ts';

let shop: WholeShop;
let token: string;
beforeAll(async () => {
  shop = await startWholeShop();
  token = await shop.adminToken();
  const database = createDatabase({ url: shop.databases['log'] as string, ...quietWorld });
  const order = { orderId: 'ord_1', customer: {}, placedAt: 'never' };
  await createPostgresLog({ database, world: quietWorld }).append('orders', [
    createEnvelope({ source: 'orders', world: quietWorld }, { type: 'order.confirmed', key: 'ord_1', data: order }),
  ]);
  await database.close();
  const total = async (service: string) => (await shop.ask('GET', `/${service}/dead-letters`, { token })).body.total;
  for (const service of ['notifications', 'analytics']) {
    await until(async () => (await total(service)) === 1);
  }
});
afterAll(() => shop?.stop());

async function run(...args: string[]) {
  const file = join(newFolder(), 'token');
  writeFileSync(file, token);
  const started = runCommand('dead-letters', ...args, '--url', shop.origin, '--token-file', file);
  return { code: await started.ended, out: started.stdout(), err: started.stderr() };
}

test('dead letters are listed over all readers, shown with their event, replayed and discarded', async () => {
  const listed = await run('list', '--json');
  expect(listed).toMatchObject({ code: 0 });
  const { services } = JSON.parse(listed.out);
  expect(services.map(({ service, total }: { service: string; total: number }) => [service, total])).toEqual([
    ['notifications', 1],
    ['analytics', 1],
    ['products', 0],
    ['assistant', 0],
    ['webhooks', 0],
  ]);
  const id = String(services[0].items[0].id);
  const shown = await run('show', 'notifications', id);
  expect(shown.out).toContain('e-mail address');
  expect(shown.out).toContain('"orderId": "ord_1"');
  const replayed = await run('replay', 'notifications', id);
  expect(replayed).toMatchObject({ code: 5, out: expect.stringContaining('failed again') });
  expect(await run('discard', 'notifications', id)).toMatchObject({ code: 0 });
  expect((await run('list', 'notifications')).out).toBe('notifications: none\n');
});

test('what is not there, and who may not, is said in a sentence with the exit code', async () => {
  const absent = await run('show', 'analytics', '999999');
  expect(absent).toMatchObject({ code: 2, err: expect.stringContaining('There is no such dead letter') });
  expect(await run('show', 'shoes', '1')).toMatchObject({ code: 2, err: expect.stringContaining('reads no events') });
  token = 'nonsense';
  expect(await run('list')).toMatchObject({ code: 3 });
});
