import { createHash } from 'node:crypto';
import { usersProblems } from '#contracts/users';
import type { Database, Transaction, World } from '#kit/runtime';
import { type AttemptPolicy, type AttemptState, chargeAttempt } from './model.ts';
import { lockAttempts, saveAttempts } from './store.ts';

/** One thing that attempts are counted by. */
export interface Bucket {
  readonly name: string;
  readonly policy: AttemptPolicy;
}

/** `whose` is hashed: the table of failures must not be a list of our customers' addresses. */
export function bucketOf(kind: string, whose: string, policy: AttemptPolicy): Bucket {
  return { name: `${kind}:${createHash('sha256').update(whose).digest('base64url')}`, policy };
}

/**
 * Charges an attempt to all its buckets, in one transaction that all instances share. Throws 429 with the longest wait
 * when one of them is blocked.
 */
export async function chargeAttempts(world: World, database: Database, buckets: readonly Bucket[]): Promise<void> {
  const refusedForMs = await database.transaction((tx) => charge(tx, world.clock.now(), buckets));
  if (refusedForMs > 0) {
    throw usersProblems['too-many-attempts']({ retry: { afterMs: Math.ceil(refusedForMs / 1000) * 1000 } });
  }
}

async function charge(tx: Transaction, nowMs: number, buckets: readonly Bucket[]): Promise<number> {
  const names = buckets.map((bucket) => bucket.name);
  const states = await lockAttempts(tx, names, nowMs);
  const next = new Map<string, AttemptState>();
  let refusedForMs = 0;
  for (const { name, policy } of buckets) {
    const charged = chargeAttempt(states.get(name), policy, nowMs);
    if ('refusedForMs' in charged) refusedForMs = Math.max(refusedForMs, charged.refusedForMs);
    else next.set(name, charged);
  }
  // A refused attempt costs nothing anywhere: it told the caller nothing.
  if (refusedForMs === 0) await saveAttempts(tx, next);
  return refusedForMs;
}
