import { usersProblems } from '#contracts/users';
import { type CallContext, headerNames } from '#kit/contract';
import { createLimiter } from '#kit/limits';
import type { Clock, Random } from '#kit/runtime';
import { sourceOf } from './model.ts';

/** Throws 429 where the source of a request has had its allowance of hashes. */
export type ChargeHash = (context: CallContext) => void;

/**
 * Hashes a minute, and at once after a rest, of one source at one instance. Each is 25 ms of a core, so somebody takes an eighth
 * of one, and not all places of the queue (`PasswordsOptions`). Fewer would keep an office behind one address waiting.
 */
const perSource = { quota: 300, periodSec: 60, burst: 24 };
const sourcesMax = 2 ** 16;

/**
 * Whoever makes us hash pays for it first, also with a password that is right or an account that is new: both are to be had for
 * nothing, and nobody else could sign in meanwhile. Calls from inside are not counted.
 */
export function createHashAllowance(world: { readonly clock: Clock; readonly random: Random }): ChargeHash {
  const limiter = createLimiter({ ...world, policies: { source: perSource }, table: { slotsMax: sourcesMax } });
  return ({ headers }) => {
    const source = headers[headerNames.source];
    if (source === undefined) return;
    const { allowed, retryAfterMs } = limiter.check('source', sourceOf(source));
    if (!allowed)
      throw usersProblems['too-many-attempts']({ retry: { afterMs: Math.ceil(retryAfterMs / 1000) * 1000 } });
  };
}
