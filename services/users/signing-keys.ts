/**
 * The Ed25519 keys that access tokens are signed with. They live in the database, so that all instances sign with the
 * same one; the private halves are sealed with a key that isn't in the database.
 *
 * A key's life: published (in the JWKS, not yet used, so that every verifier has met it) → signs → verifies only (until
 * the last token signed with it has expired) → deleted. Changes of state come by time alone, so instances needn't talk.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import type { JsonWebKeySet } from '#contracts/users';
import type { Database, Queryable, Transaction, World } from '#kit/runtime';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

export interface SigningKeysOptions {
  readonly world: World;
  readonly database: Database;
  /** Seals the private keys. The same for all instances; at least 16 bytes of chance, from a secret file. */
  readonly keyEncryptionSecret: string | Uint8Array;
  /** How long a key signs. Default 30 days. */
  readonly signingPeriodMs?: number;
  /** How long a key is published before it signs: longer than verifiers keep a JWKS. Default 1 hour. */
  readonly publishAheadMs?: number;
  /** How long a key verifies after its successor has taken over: longer than a token lives. Default 1 hour. */
  readonly verifyAfterMs?: number;
  /** Age at which the keys in memory are read again. Default 60 s. */
  readonly cacheMs?: number;
}

export interface SigningKeys {
  /** The key to sign with now. */
  current(): Promise<SigningKey>;
  publicKeys(): Promise<JsonWebKeySet>;
  /** Makes the next key when it is due and deletes what no token needs. Any instance may, at any time. */
  rotate(options?: { readonly now?: boolean }): Promise<void>;
}

interface KeyRow {
  readonly kid: string;
  readonly public_x: string;
  readonly private_sealed: Uint8Array;
  readonly signs_from: Date;
  readonly verifies_until: Date | null;
}

interface Loaded {
  readonly loadedAtMs: number;
  readonly rows: readonly KeyRow[];
  readonly openable: ReadonlyMap<string, KeyObject>;
}

/** Rotation takes turns: two instances must not both make the next key. */
const rotationLock = 0x401d_0517;

const selectSql =
  'select kid, public_x, private_sealed, signs_from, verifies_until from signing_key order by signs_from, kid';
const insertSql =
  'insert into signing_key (kid, public_x, private_sealed, created_at, signs_from) values ($1, $2, $3, $4, $5)';
const retireSql = 'update signing_key set verifies_until = $2 where verifies_until is null and kid <> $1';
const deleteSql = 'delete from signing_key where verifies_until < $1';

export function createSigningKeys(options: SigningKeysOptions): SigningKeys {
  const { world, database, cacheMs = 60_000 } = options;
  const { signingPeriodMs = 30 * 86_400_000, publishAheadMs = 3_600_000, verifyAfterMs = 3_600_000 } = options;
  const { clock, random, log } = world;
  const sealingKey = new Uint8Array(
    hkdfSync('sha256', options.keyEncryptionSecret, 'holdfast users', 'signing keys', 32),
  );
  let loaded: Loaded | undefined;
  let loading: Promise<Loaded> | undefined;

  async function load(): Promise<Loaded> {
    if (loaded && clock.monotonicMs() - loaded.loadedAtMs < cacheMs) return loaded;
    loading ??= read(database).finally(() => {
      loading = undefined;
    });
    return loading;
  }

  async function read(queryable: Queryable): Promise<Loaded> {
    const { rows } = await queryable.query<KeyRow>(selectSql);
    const openable = new Map<string, KeyObject>();
    for (const row of rows) {
      const known = loaded?.openable.get(row.kid) ?? unseal(sealingKey, row);
      if (known) openable.set(row.kid, known);
    }
    loaded = { loadedAtMs: clock.monotonicMs(), rows, openable };
    return loaded;
  }

  function signerOf({ rows, openable }: Loaded, nowMs: number): SigningKey | undefined {
    const row = rows.findLast((candidate) => candidate.signs_from.getTime() <= nowMs && openable.has(candidate.kid));
    return row && { kid: row.kid, privateKey: openable.get(row.kid) as KeyObject };
  }

  async function addKey(tx: Transaction, nowMs: number, signsFromMs: number): Promise<void> {
    const seed = random.bytes(32);
    const privateKey = privateKeyOf(seed);
    const publicX = createPublicKey(privateKey).export({ format: 'jwk' }).x as string;
    const kid = world.ids.next('key');
    const sealed = seal(sealingKey, kid, seed, random.bytes(12));
    await tx.query(insertSql, [kid, publicX, sealed, new Date(nowMs), new Date(signsFromMs)]);
    await tx.query(retireSql, [kid, new Date(signsFromMs + verifyAfterMs)]);
    log.info('signing key made', { kid, signsFrom: new Date(signsFromMs).toISOString() });
  }

  async function rotate({ now = false }: { readonly now?: boolean } = {}): Promise<void> {
    await database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [rotationLock]);
      const nowMs = clock.now();
      await tx.query(deleteSql, [new Date(nowMs)]);
      const keys = await read(tx);
      const signer = signerOf(keys, nowMs);
      const newest = keys.rows.findLast((row) => keys.openable.has(row.kid));
      if (!signer) {
        if (keys.rows.length > 0) {
          log.warn('no signing key can be opened with this secret; making a new one', { keys: keys.rows.length });
        }
        await addKey(tx, nowMs, nowMs);
      } else if (now || (newest?.signs_from.getTime() ?? 0) + signingPeriodMs - publishAheadMs <= nowMs) {
        await addKey(tx, nowMs, nowMs + publishAheadMs);
      }
    });
    loaded = undefined;
  }

  return {
    rotate,
    async current() {
      const known = signerOf(await load(), clock.now());
      if (known) return known;
      await rotate();
      const made = signerOf(await load(), clock.now());
      if (!made) throw new Error('users: there is no signing key though one was just made');
      return made;
    },
    async publicKeys() {
      const { rows } = await load();
      return { keys: rows.map(({ kid, public_x }) => jwkOf(kid, public_x)) };
    },
  };
}

function jwkOf(kid: string, x: string): JsonWebKeySet['keys'][number] {
  return { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' };
}

/** RFC 8410: what stands before the 32 bytes of an Ed25519 private key in PKCS #8. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** From our own random bytes rather than generateKeyPair, so that a simulated world has the same keys again. */
function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
}

/** Nonce, ciphertext and tag of AES-256-GCM; the key's id is authenticated too, so that rows can't be swapped. */
function seal(sealingKey: Uint8Array, kid: string, seed: Uint8Array, nonce: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(Buffer.from(kid));
  return Buffer.concat([nonce, cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
}

function unseal(sealingKey: Uint8Array, row: KeyRow): KeyObject | undefined {
  const sealed = Buffer.from(row.private_sealed);
  try {
    const decipher = createDecipheriv('aes-256-gcm', sealingKey, sealed.subarray(0, 12))
      .setAAD(Buffer.from(row.kid))
      .setAuthTag(sealed.subarray(-16));
    return privateKeyOf(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]));
  } catch {
    return undefined;
  }
}
