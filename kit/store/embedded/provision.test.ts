import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { systemRandom } from '#kit/runtime';
import { openSecrets, provisionDatabase } from '#kit/store/embedded';
import { createTestDatabase, testPostgres } from '#kit/store/embedded/testing';

const folder = mkdtempSync(join(tmpdir(), 'hf-provision-'));
const unique = `${process.pid}_${Date.now().toString(36)}`;
const made: string[] = [];

afterAll(async () => {
  const { adminUrl } = await testPostgres();
  for (const name of made) {
    await query(adminUrl, `drop database if exists ${name} with (force)`);
    await query(adminUrl, `drop role if exists ${name}`);
  }
  rmSync(folder, { recursive: true });
});

async function provision(service: string, secretsFile = 'secrets.json'): Promise<string> {
  const { adminUrl } = await testPostgres();
  const name = `${service}_${unique}`;
  made.push(name);
  const secrets = openSecrets(join(folder, secretsFile), systemRandom);
  return provisionDatabase({ admin: adminUrl, database: name, role: name, secrets, random: systemRandom });
}

async function query(url: string, text: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('a role owns its database, may make tables there, and is no administrator', async () => {
  const url = await provision('orders');
  await query(url, 'create table t (n int); create extension if not exists pg_trgm');
  const [role] = await query(
    url,
    'select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user',
  );
  expect(role).toEqual({ rolsuper: false, rolcreatedb: false, rolcreaterole: false });
});

test('the role of one service can connect neither to another’s database nor to the maintenance ones', async () => {
  const stranger = new URL(await provision('stranger'));
  const owner = new URL(await provision('owner'));
  for (const database of [owner.pathname, '/postgres', '/template1']) {
    stranger.pathname = database;
    await expect(query(stranger.href, 'select 1')).rejects.toThrow(/permission denied for database/);
  }
});

test('provisioning again, or twice at once, changes nothing and gives the same URL', async () => {
  const [first, second] = await Promise.all([provision('again'), provision('again')]);
  expect(second).toBe(first);
  expect(await provision('again')).toBe(first);
  expect(await query(first, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a lost secrets file is made good: the role gets a new password', async () => {
  const before = await provision('lost');
  const after = await provision('lost', 'other.json');
  expect(after).not.toBe(before);
  expect(await query(after, 'select 1 as one')).toEqual([{ one: 1 }]);
  await expect(query(before, 'select 1')).rejects.toThrow(/password authentication failed/);
  expect(readFileSync(join(folder, 'other.json'), 'utf8')).toContain(new URL(after).password);
});

test('an administrator who is no superuser is enough', async () => {
  const { adminUrl } = await testPostgres();
  const admin = new URL(adminUrl);
  admin.username = `admin_${unique}`;
  admin.password = 'for-this-test-only';
  const database = await createTestDatabase();
  admin.pathname = `/${database.name}`;
  await query(adminUrl, `create role ${admin.username} login createdb createrole password '${admin.password}'`);
  const name = `plain_${unique}`;
  const secrets = openSecrets(join(folder, 'plain.json'), systemRandom);
  const url = await provisionDatabase({ admin: admin.href, database: name, role: name, secrets, random: systemRandom });
  expect(await query(url, 'select current_user::text as name')).toEqual([{ name }]);
  await query(adminUrl, `drop database ${name}`);
  await query(adminUrl, `drop role ${name}`);
  await query(adminUrl, `drop role ${admin.username}`);
});

test('test databases are fresh and apart', async () => {
  const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  expect(one.name).not.toBe(two.name);
  expect(await query(one.url, 'select current_database() as name')).toEqual([{ name: one.name }]);
});
