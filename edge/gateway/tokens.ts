import { hash } from 'node:crypto';
import { type CryptoKey, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { gatewayProblems } from '#contracts/gateway';
import { accessTokenAudience, accessTokenIssuer, accessTokenType } from '#contracts/users';
import { type Caller, contractProblems, type Problem } from '#kit/contract';
import type { Clock } from '#kit/runtime';
import type { ApiKey } from './api-keys/index.ts';
import type { KeySet } from './key-set.ts';

export interface TokenVerifierOptions {
  readonly clock: Clock;
  readonly keys: KeySet;
  /** Difference between clocks that is overlooked. Default 5 s. */
  readonly toleranceSec?: number;
  /** Verified tokens remembered: one a signed-in session that is active. Default 10,000, some 3 MB. */
  readonly rememberedMax?: number;
}

/** Who a token says is calling. */
export interface Identity {
  readonly caller: Caller;
  readonly sessionId: string | undefined;
  /** Where it was an API key: what it may do, and how often. */
  readonly apiKey?: ApiKey;
}

export interface TokenVerifier {
  /**
   * Throws `gateway/token-refused`, or `contract/unavailable` when the keys can't be had. `beforeChecking` may throw where a
   * signature would have to be checked, which is what costs.
   */
  verify(token: string, beforeChecking?: () => void): Promise<Identity>;
}

interface Remembered {
  readonly identity: Identity;
  readonly expiresAtMs: number;
  readonly kid: string;
  readonly key: CryptoKey;
}

const tokenSizeMax = 4096;
const rolesAllowed = new Set(['customer', 'staff', 'admin']);
const idPattern = /^[\w-]{1,100}$/;

/**
 * Verifies access tokens: EdDSA alone, with a key of the set alone, for this issuer and audience, in its time. A token
 * that was verified is remembered by its hash until it expires or its key is withdrawn, because checking a signature
 * takes some 100 µs and a look-up 2.
 */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { clock, keys, toleranceSec = 5, rememberedMax = 10_000 } = options;
  // A Map keeps the order of insertion: the first is the one that was used longest ago.
  const remembered = new Map<string, Remembered>();

  function recall(name: string): Identity | undefined {
    const found = remembered.get(name);
    if (!found) return undefined;
    remembered.delete(name);
    if (found.expiresAtMs <= clock.now() || !keys.isCurrent(found.kid, found.key)) return undefined;
    remembered.set(name, found);
    return found.identity;
  }

  function remember(name: string, entry: Remembered): void {
    remembered.set(name, entry);
    if (remembered.size > rememberedMax) remembered.delete(remembered.keys().next().value as string);
  }

  async function verifyFresh(token: string): Promise<Remembered> {
    const kid = keyIdOf(token);
    const key = await findKey(keys, kid);
    if (!key) throw refused('its key is not known');
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['EdDSA'],
      typ: accessTokenType,
      issuer: accessTokenIssuer,
      audience: accessTokenAudience,
      requiredClaims: ['sub', 'exp', 'iat', 'nbf', 'role', 'sid'],
      clockTolerance: toleranceSec,
      currentDate: new Date(clock.now()),
    });
    const { sub, role, sid, exp } = payload as { sub: unknown; role: unknown; sid: unknown; exp: number };
    if (!isId(sub) || !isId(sid) || typeof role !== 'string' || !rolesAllowed.has(role)) {
      throw refused('it does not say who is calling');
    }
    const caller: Caller = { kind: role as Caller['kind'], id: sub };
    return { identity: { caller, sessionId: sid }, expiresAtMs: (exp + toleranceSec) * 1000, kid, key };
  }

  return {
    async verify(token, beforeChecking) {
      if (token.length > tokenSizeMax) throw refused('it is too long');
      const name = hash('sha256', token, 'base64');
      const known = recall(name);
      if (known) return known;
      beforeChecking?.();
      try {
        const entry = await verifyFresh(token);
        remember(name, entry);
        return entry.identity;
      } catch (error) {
        if (error instanceof errors.JOSEError) throw refused(wordsOf(error), error);
        throw error;
      }
    },
  };
}

/** The header is not authenticated yet: it only chooses among our own keys and can't bring one along. */
function keyIdOf(token: string): string {
  let header: { alg?: unknown; kid?: unknown };
  try {
    header = decodeProtectedHeader(token);
  } catch (error) {
    throw refused('it is not a JWT', error);
  }
  if (header.alg !== 'EdDSA') throw refused('it is not signed with EdDSA');
  if (typeof header.kid !== 'string' || !idPattern.test(header.kid)) throw refused('it names no key');
  return header.kid;
}

async function findKey(keys: KeySet, kid: string): Promise<CryptoKey | undefined> {
  try {
    return await keys.find(kid);
  } catch (cause) {
    throw contractProblems.unavailable({ detail: 'access tokens can not be checked just now', cause });
  }
}

function wordsOf(error: InstanceType<typeof errors.JOSEError>): string {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `its claim ${error.claim} does not fit`;
  return 'its signature is not ours';
}

function refused(why: string, cause?: unknown): Problem {
  return gatewayProblems['token-refused']({
    detail: why,
    // RFC 6750 §3.1: tells a client that a new token may help.
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
    ...(cause === undefined ? {} : { cause }),
  });
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && idPattern.test(value);
}
