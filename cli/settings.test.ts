import { expect, test } from 'vitest';
import { settingsOf } from './settings.ts';
import { loadTopology, type Topology } from './topology.ts';

const settingNamed = (topology: Topology, name: string) =>
  settingsOf({ topology }).find((setting) => setting.name === name);

test('what nobody has set is told as the default, with the place to change it', () => {
  expect(settingNamed(loadTopology('one-process'), 'Limit of a user')).toEqual({
    ...{ area: 'door', name: 'Limit of a user', value: '1000 requests a second', isDefault: true },
    where: 'topology: gateway.limits.perUser',
  });
});

test('no user or password of a URL is shown', () => {
  const topology: Topology = {
    ...loadTopology('one-process'),
    database: { adminUrl: 'postgres://root:hunter2@db.example/postgres' },
    mail: { url: 'smtp://me:hunter3@mail.example:587', from: 'Shop <a@shop.example>' },
    gateway: { valkey: 'redis://:hunter4@cache.example' },
  };
  expect(JSON.stringify(settingsOf({ topology }))).not.toMatch(/hunter|root|me:/);
  expect(settingNamed(topology, 'PostgreSQL')?.value).toBe('postgres://***@db.example/postgres');
});
