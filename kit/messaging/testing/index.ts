import type { Database, Queryable, SqlValue } from '#kit/runtime';
import { CommitOutcomeUnknown, createDatabase, type Migrations, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import type { EventLog, LogRecord } from '../log.ts';
import { quietWorld } from './world.ts';

/** For tests only: real databases, a quiet real world, crashes at every statement. */

export { quietWorld } from './world.ts';

/** A fresh database with these tables, closed and dropped when the test file ends. */
export async function openTestDatabase(
  sequences: readonly Migrations[],
  options: { readonly connectionsMax?: number } = {},
): Promise<Database> {
  const { url } = await createTestDatabase();
  await migrate(url, sequences);
  return createDatabase({ url, ...quietWorld, ...options });
}

/** Waits for a condition of the real world; asks every few milliseconds. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`not within ${withinMs} ms: ${condition}`);
    await quietWorld.timers.sleep(3);
  }
}

export class Crash extends Error {}

/**
 * Steps of several databases on one count; `crashAt` throws at that step. Each statement has two (not run; run, but
 * the answer is lost), each commit too (rolled back; committed, but the answer is lost).
 */
export interface CrashPoints {
  wrap(database: Database): Database;
  /** Throws at the given step from now on, counted from 1; 0 never. */
  arm(step: number): void;
  /** Whether the armed step was reached. */
  readonly crashed: boolean;
}

export function createCrashPoints(): CrashPoints {
  let countdown = 0;
  let crashed = false;

  function step(makeError: () => Error): void {
    if (countdown === 0) return;
    countdown -= 1;
    if (countdown > 0) return;
    crashed = true;
    throw makeError();
  }

  const crash = () => new Crash('crash');

  function wrapQueries<Q extends Queryable>(queryable: Q): Q {
    return {
      ...queryable,
      async query(text: string, values?: readonly SqlValue[]) {
        step(crash);
        const result = await queryable.query(text, values);
        step(crash);
        return result;
      },
    };
  }

  return {
    get crashed() {
      return crashed;
    },
    arm(at) {
      countdown = at;
      crashed = false;
    },
    wrap: (database) => ({
      ...wrapQueries(database),
      name: database.name,
      listen: database.listen,
      close: database.close,
      async transaction(work, options) {
        const result = await database.transaction(async (tx) => {
          const value = await work(wrapQueries(tx));
          step(crash);
          return value;
        }, options);
        step(() => new CommitOutcomeUnknown(database.name, crash()));
        return result;
      },
    }),
  };
}

/** All that a topic holds: a read may answer less than there is, but never nothing. */
export async function readAll(log: EventLog, topic: string): Promise<readonly LogRecord[]> {
  const ranges = (await log.bounds([topic])).map(({ partition }) => ({ topic, partition, fromOffset: 0 }));
  const all: LogRecord[] = [];
  for (;;) {
    const records = await log.read(ranges, 10_000, 10_000);
    if (records.length === 0) return all.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
    for (const { partition, offset } of records) {
      const range = ranges.find((one) => one.partition === partition);
      if (range) range.fromOffset = offset + 1;
    }
    all.push(...records);
  }
}
