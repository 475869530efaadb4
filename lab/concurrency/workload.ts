import type { Round } from './rig.ts';

/** Production functions in many sessions at once, and what must hold afterwards. */
export interface Workload {
  readonly name: string;
  readonly summary: string;
  /** Emptied before each round. */
  readonly tables: readonly string[];
  /** Its rows are always locked in one order: a deadlock is a violation. Default true. */
  readonly isFreeOfDeadlocks?: boolean;
  round(round: Round): Promise<void>;
}

/** How many of something a round has: mostly few, so that each meets each; at times as many as a large shop would. */
export function crowd(round: Round, max = 32): number {
  return round.chance(0.12) ? round.between(Math.ceil(max / 2), max) : round.between(2, Math.min(6, max));
}

class Moved extends Error {}

/**
 * A session that locks one row for a while, again and again, as a person at a prompt would. Statements that lock several
 * rows get stuck behind it with some of them in hand: without it, each of them has all its rows at once, and rows that
 * are locked in no order do no harm. It holds one row and wants no other, so it can be part of no deadlock itself. It leaves nothing
 * behind.
 */
export async function roadblock(round: Round, lockSql: string, keys: readonly string[]): Promise<() => Promise<void>> {
  const database = await round.process('roadblock').open();
  const stops = Array.from({ length: round.between(2, 6) }, () => ({
    key: round.pick(keys),
    rests: round.between(0, 4),
  }));
  return async () => {
    for (const { key, rests } of stops) {
      const standing = database.transaction(async (tx) => {
        await tx.query(lockSql, [key]);
        for (let i = 0; i < rests; i++) await tx.query('select 1');
        throw new Moved();
      });
      await standing.catch((error) => {
        if (!(error instanceof Moved)) throw error;
      });
    }
  };
}
