import { afterEach, expect, test } from 'vitest';
import { createSigningKeys } from './signing-keys.ts';
import { createUsersForTest, testSecret } from './testing.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

let house: Awaited<ReturnType<typeof createUsersForTest>>;
afterEach(() => house.close());

test('instances that start at once share one key', async () => {
  house = await createUsersForTest();
  const instances = Array.from({ length: 4 }, () =>
    createSigningKeys({ world: house.world, database: house.database, keyEncryptionSecret: testSecret }),
  );
  await Promise.all(instances.map((keys) => keys.rotate()));
  const kids = await Promise.all(instances.map(async (keys) => (await keys.current()).kid));
  expect(new Set(kids).size).toBe(1);
  expect((await house.service.signingKeys.publicKeys()).keys).toHaveLength(1);
});

test('a new key is published before it signs, and the old one verifies until its last token has expired', async () => {
  house = await createUsersForTest();
  const keys = house.service.signingKeys;
  const kids = async () => (await keys.publicKeys()).keys.map((key) => key.kid);
  const old = (await keys.current()).kid;
  house.advance(30 * dayMs - hourMs);
  await keys.rotate();
  const [, next] = await kids();
  expect(await kids()).toEqual([old, next]);
  expect((await keys.current()).kid).toBe(old);
  await keys.rotate();
  expect(await kids()).toHaveLength(2);
  house.advance(hourMs);
  expect((await keys.current()).kid).toBe(next);
  expect(await kids()).toContain(old);
  house.advance(hourMs + 1);
  await keys.rotate();
  expect(await kids()).toEqual([next]);
});

test('another secret opens no key: a new one is made and the old one still verifies', async () => {
  house = await createUsersForTest();
  const old = (await house.service.signingKeys.current()).kid;
  const { world, database } = house;
  const keys = createSigningKeys({ world, database, keyEncryptionSecret: 'a secret that was never used before' });
  const { kid } = await keys.current();
  expect(kid).not.toBe(old);
  expect((await keys.publicKeys()).keys.map((key) => key.kid)).toEqual([old, kid]);
  expect(house.lines.map((line) => line.message)).toContain(
    'no signing key can be opened with this secret; making a new one',
  );
});

test('the database never holds a private key in the clear', async () => {
  house = await createUsersForTest();
  const { privateKey } = await house.service.signingKeys.current();
  const { d } = privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(d as string, 'base64url');
  const { rows } = await house.database.query<{ private_sealed: Buffer }>('select private_sealed from signing_key');
  expect(rows).toHaveLength(1);
  expect(rows[0]?.private_sealed.includes(seed)).toBe(false);
});

test('a secret that is too short is refused at once', async () => {
  house = await createUsersForTest();
  await expect(createUsersForTest({ keyEncryptionSecret: 'short' })).rejects.toThrow('keyEncryptionSecret');
});
