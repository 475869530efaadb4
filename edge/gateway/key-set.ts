import { type CryptoKey, importJWK } from 'jose';
import type { JsonWebKeySet } from '#contracts/users';
import type { Clock, Logger } from '#kit/runtime';

export interface KeySetOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly fetchKeys: () => Promise<JsonWebKeySet>;
  /** Age at which the keys are fetched again. Shorter than new keys are published before they sign. Default 5 minutes. */
  readonly refreshMs?: number;
  /** Pause between two fetches, whatever kids requests invent. Default 10 s. */
  readonly pauseMs?: number;
  /** Keys are used for no longer than this after the last successful fetch. Default 1 hour. */
  readonly staleMsMax?: number;
}

/** The public keys of access tokens by key id. */
export interface KeySet {
  /** Undefined when there is no such key. Rejects when keys are wanted but can't be had. */
  find(kid: string): Promise<CryptoKey | undefined>;
  /** Whether a key that was found before still counts: a token verified with it may be trusted again. */
  isCurrent(kid: string, key: CryptoKey): boolean;
}

/** More keys than any rotation needs: what a broken answer may cost. */
const keysMax = 20;

export function createKeySet(options: KeySetOptions): KeySet {
  const { clock, log, fetchKeys, refreshMs = 300_000, pauseMs = 10_000, staleMsMax = 3_600_000 } = options;
  let keys: ReadonlyMap<string, CryptoKey> = new Map();
  let fetchedAtMs = Number.NEGATIVE_INFINITY;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  async function fetchNow(): Promise<void> {
    triedAtMs = clock.monotonicMs();
    const set = await fetchKeys();
    const next = new Map<string, CryptoKey>();
    for (const jwk of set.keys.slice(0, keysMax)) {
      if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519' || jwk.use !== 'sig') continue;
      const known = keys.get(jwk.kid);
      next.set(jwk.kid, known ?? ((await importJWK({ kty: 'OKP', crv: 'Ed25519', x: jwk.x }, 'EdDSA')) as CryptoKey));
    }
    keys = next;
    fetchedAtMs = clock.monotonicMs();
  }

  function refresh(): Promise<void> {
    fetching ??= fetchNow().finally(() => {
      fetching = undefined;
    });
    return fetching;
  }

  const ageMs = () => clock.monotonicMs() - fetchedAtMs;
  const mayTry = () => clock.monotonicMs() - triedAtMs >= pauseMs;

  return {
    async find(kid) {
      const known = keys.get(kid);
      if (known && ageMs() <= staleMsMax) {
        // Fetched beside the request: nobody waits for keys that are known.
        if (ageMs() > refreshMs && mayTry()) {
          refresh().catch((error) => log.warn('signing keys can not be fetched, going on with those known', { error }));
        }
        return known;
      }
      if (fetching || mayTry()) await refresh();
      else if (ageMs() > staleMsMax) throw new Error('signing keys could not be fetched a moment ago');
      return keys.get(kid);
    },
    isCurrent: (kid, key) => keys.get(kid) === key && ageMs() <= refreshMs,
  };
}
