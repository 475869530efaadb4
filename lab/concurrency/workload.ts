import type { Database, Transaction } from '#kit/runtime';
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

/** Holds one row's lock for as long as `rest` takes, and leaves nothing behind. */
async function standOn(database: Database, lockSql: string, key: string, rest: (tx: Transaction) => Promise<void>) {
  const standing = database.transaction(async (tx) => {
    await tx.query(lockSql, [key]);
    await rest(tx);
    throw new Moved();
  });
  await standing.catch((error) => {
    if (!(error instanceof Moved)) throw error;
  });
}

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
      await standOn(database, lockSql, key, async (tx) => {
        for (let i = 0; i < rests; i++) await tx.query('select 1');
      });
    }
  };
}

/** Locks one row, and lets sessions run into it; see `openAmbush`. */
export type Ambush = (key: string, victims: ReadonlyMap<string, () => Promise<void>>) => Promise<void>;

/**
 * A roadblock by design: it locks one row and lets its victims come, by the names of their processes, each when the one before
 * is stuck; it goes when the last one is, and ends when they have. So they meet with what they have got by then in hand, whatever the
 * schedule. Where production does not get stuck, nobody waits for it for long.
 */
export async function openAmbush(round: Round, lockSql: string): Promise<Ambush> {
  const database = await round.process('ambush').open();
  return async (key, victims) => {
    const ends: Promise<void>[] = [];
    await standOn(database, lockSql, key, async () => {
      for (const [name, program] of victims) {
        const end = program();
        // An error is told at the end; until then it must not end the process.
        end.catch(() => {});
        ends.push(end);
        await round.untilBlocked(name);
      }
    });
    await Promise.all(ends);
  };
}
