import { createHash } from 'node:crypto';
import { gatewayProblems } from '#contracts/gateway';
import { contractProblems, type HttpRoute } from '#kit/contract';
import { createLoop } from '#kit/messaging';
import type { Cancel, Component, Database, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { type ApiKey, countKeys, findKey, insertKey, listKeys, noteUses, revokedChannel, revokeKey } from './store.ts';

export type { ApiKey } from './store.ts';

export const apiKeyMigrations: Migrations = { directory: `${import.meta.dirname}/schema`, table: 'schema_api_key' };

export interface ApiKeysOptions {
  readonly world: World;
  /** The gateway's own; several gateways share it. */
  readonly database: Database;
  /** How long a key that was looked up is taken as it was, should word of its end be lost. Default 1,000 ms. */
  readonly freshMs?: number;
  /** How long it is, while the database is away. Default 60,000 ms. */
  readonly staleMsMax?: number;
  /** Keys remembered. Default 1,000. */
  readonly rememberedMax?: number;
}

export interface NewKey extends Pick<ApiKey, 'name' | 'role' | 'operations' | 'readsOnly' | 'perSecond' | 'createdBy'> {
  readonly expiresInDays: number | undefined;
}

export interface ApiKeys {
  readonly component: Component;
  /** Throws `gateway/token-refused`, or `contract/unavailable` when nothing is known of it and the database is away. */
  verify(key: string): Promise<ApiKey>;
  /** The key itself is told this once and never again. */
  create(wanted: NewKey): Promise<{ readonly key: string; readonly about: ApiKey }>;
  list(): Promise<readonly ApiKey[]>;
  /** Counts at once here, and at other gateways as soon as they hear of it. Undefined: there is no such key. */
  revoke(id: string, by: string): Promise<ApiKey | undefined>;
}

const begin = 'hf_';
const pattern = /^hf_[\w-]{43}$/;
const keyBytes = 32;
const prefixChars = 9;
const listMax = 500;
const usePeriodMs = 10_000;
/** A use within this of the last that was noted is not news. */
const useResolutionMs = 60_000;
const dayMs = 86_400_000;
/** Not revoked ones. A shop has dozens of programs. */
const keysMax = 400;

/** What begins like a key is one, and no token. */
export const isApiKey = (text: string): boolean => text.startsWith(begin);

interface Remembered {
  readonly about: ApiKey;
  readonly atMs: number;
}

/** Keys by which programs come in: verified against the database, remembered for a moment, and revoked at once. */
export function createApiKeys(options: ApiKeysOptions): ApiKeys {
  const { world, database, freshMs = 1_000, staleMsMax = 60_000, rememberedMax = 1_000 } = options;
  const { clock, timers, random, ids, log } = world;
  /** By the hash of the key; the first is the one that was looked up longest ago. */
  const remembered = new Map<string, Remembered>();
  const looking = new Map<string, Promise<ApiKey | undefined>>();
  const used = new Map<string, number>();
  const toNote = new Set<string>();
  let revocations = 0;
  let stopListening: Cancel = () => {};

  /** Who is looking just now may see a key as it was: nobody who comes later may be told that. */
  function forget(id: string): void {
    revocations += 1;
    looking.clear();
    for (const [name, { about }] of remembered) if (about.id === id) remembered.delete(name);
  }

  async function look(name: string, hash: Uint8Array): Promise<ApiKey | undefined> {
    const atMs = clock.monotonicMs();
    const before = revocations;
    const about = await findKey(database, hash);
    if (revocations !== before) return about;
    remembered.delete(name);
    if (about) remembered.set(name, { about, atMs });
    if (remembered.size > rememberedMax) remembered.delete(remembered.keys().next().value as string);
    return about;
  }

  /** Many requests with one key are one question. */
  async function find(hash: Buffer): Promise<ApiKey | undefined> {
    const name = hash.toString('base64');
    const known = remembered.get(name);
    const ageMs = known ? clock.monotonicMs() - known.atMs : Number.POSITIVE_INFINITY;
    if (known && ageMs <= freshMs) return known.about;
    let asked = looking.get(name);
    if (!asked) {
      const own = look(name, hash).finally(() => {
        if (looking.get(name) === own) looking.delete(name);
      });
      looking.set(name, own);
      asked = own;
    }
    try {
      return await asked;
    } catch (cause) {
      // Who can't be asked can't have revoked it either.
      if (known && ageMs <= staleMsMax) return known.about;
      throw contractProblems.unavailable({ detail: 'API keys can not be checked just now', cause });
    }
  }

  function noteUse(id: string): void {
    const nowMs = clock.monotonicMs();
    if (nowMs - (used.get(id) ?? Number.NEGATIVE_INFINITY) < useResolutionMs) return;
    used.set(id, nowMs);
    toNote.add(id);
    if (used.size > rememberedMax) used.clear();
  }

  async function writeUses(): Promise<'idle'> {
    if (toNote.size === 0) return 'idle';
    const noted = [...toNote];
    toNote.clear();
    await noteUses(database, noted, new Date(clock.now()));
    return 'idle';
  }

  const uses = createLoop({
    ...{ name: 'uses of API keys', clock, timers, random, log },
    turn: writeUses,
    pollMs: usePeriodMs,
  });

  return {
    async verify(key) {
      if (!pattern.test(key)) throw refused('it is no key of ours');
      const about = await find(hashOf(key));
      if (!about) throw refused('there is no such key');
      if (about.revokedAt) throw refused('it was revoked');
      if (about.expiresAt && about.expiresAt.getTime() <= clock.now()) throw refused('it has expired');
      noteUse(about.id);
      return about;
    },
    async create({ expiresInDays, ...wanted }) {
      if ((await countKeys(database)) >= keysMax) throw gatewayProblems['too-many-keys']();
      const key = `${begin}${Buffer.from(random.bytes(keyBytes)).toString('base64url')}`;
      const createdAt = new Date(clock.now());
      const about: ApiKey = {
        ...wanted,
        ...{ id: ids.next('key'), prefix: key.slice(0, prefixChars), createdAt, lastUsedAt: null, revokedAt: null },
        expiresAt: expiresInDays === undefined ? null : new Date(createdAt.getTime() + expiresInDays * dayMs),
      };
      await insertKey(database, about, hashOf(key));
      return { key, about };
    },
    list: () => listKeys(database, listMax),
    async revoke(id, by) {
      const about = await revokeKey(database, id, by, new Date(clock.now()));
      forget(id);
      return about;
    },
    component: {
      name: 'API keys',
      async start() {
        stopListening = await database.listen(revokedChannel, forget);
        uses.start();
      },
      async stop() {
        stopListening();
        await uses.stop();
        await writeUses().catch((error) => log.warn('when API keys were used last could not be written', { error }));
      },
    },
  };
}

/** Whether a key may do this: its list of operations says so, and it changes nothing if it is for reading alone. */
export function mayUse({ operations, readsOnly }: ApiKey, { service, name, operation }: HttpRoute): boolean {
  if (readsOnly && operation.method !== 'GET') return false;
  return operations.some((each) => each === '*' || each === `${service}.*` || each === `${service}.${name}`);
}

const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest();

const refused = (detail: string) =>
  gatewayProblems['token-refused']({ detail, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
