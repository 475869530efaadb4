import type pg from 'pg';
import type { Database, Queryable, QueryResult, SqlValue, Timers, Transaction } from '#kit/runtime';
import { type ExecuteSql, sqlState } from '#kit/store';
import type { Rewrite } from '../simulator/bugs/rewire.ts';
import type { Counts } from './counts.ts';
import type { Lane } from './scheduler.ts';

export interface SessionOptions {
  readonly lane: Lane;
  /** The real thing, with one connection. */
  readonly database: Database;
  readonly counts: () => Counts;
  /** What a planted bug makes of a statement. */
  readonly rewrite: () => Rewrite | undefined;
}

/** A `Database` of one connection whose every statement, commit and retry waits for its turn. */
export function createSession({ lane, database, counts, rewrite }: SessionOptions): Database {
  let busy: Promise<unknown> = Promise.resolve();

  /** One connection does one thing at a time; a pool would make the others wait just so. */
  function exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = busy.then(work);
    busy = mine.catch(() => {});
    return mine;
  }

  async function run<R extends object>(
    on: Queryable,
    text: string,
    values: readonly SqlValue[] = [],
  ): Promise<QueryResult<R>> {
    const other = rewrite()?.(text, values);
    if (other && 'answer' in other) return other.answer as unknown as QueryResult<R>;
    const statement = other ?? { text, values };
    await lane.pass(titleOf(statement.text));
    try {
      const result = await on.query<R>(statement.text, statement.values);
      lane.land();
      return result;
    } catch (error) {
      const { constraint = '' } = error as { constraint?: string };
      lane.land(`→ ${count(error)} ${constraint}`);
      throw error;
    }
  }

  const counted = new WeakSet<object>();

  /** Once each, however far an error travels. */
  function count(error: unknown): string {
    const state = sqlState(error) ?? (error as Error).name;
    if (counted.has(error as object)) return state;
    counted.add(error as object);
    const { errors } = counts();
    errors[state] = (errors[state] ?? 0) + 1;
    return state;
  }

  async function attempt<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T> {
    const gate = createGate(tx);
    // The rollback before it, if there was one, is over.
    lane.land();
    lane.depth = 0;
    counts().transactions += 1;
    try {
      const value = await work(gate.tx);
      await (gate.sealing ?? gate.rest().then(() => lane.pass('commit')));
      return value;
    } catch (error) {
      if (sqlState(error) !== undefined) count(error);
      // COMMIT is on its way, and finds for itself that a statement has failed.
      if (gate.sealing) await gate.sealing.then(() => Promise.reject(error));
      gate.close();
      lane.withdraw();
      // The rollback is under way from here.
      lane.takeOff();
      throw error;
    }
  }

  /** Statements that were sent together still run one after the other, but others may run in between. */
  function createGate(tx: Transaction) {
    let isClosed = false;
    let line: Promise<unknown> = Promise.resolve();
    let sealing: Promise<void> | undefined;
    const gated: Transaction & { seal(): void } = {
      database: tx.database,
      query<R extends object>(text: string, values?: readonly SqlValue[]) {
        const answer = line.then(async () => {
          if (isClosed) throw new Error('the transaction has ended before this statement had its turn');
          const result = await run<R>(tx, text, values);
          lane.depth = (lane.depth ?? 0) + 1;
          return result;
        });
        line = answer.catch(() => {});
        return answer;
      },
      // COMMIT waits for a turn of its own.
      seal() {
        sealing = line.then(async () => {
          await lane.pass('commit');
          (tx as Partial<typeof gated>).seal?.();
        });
      },
    };
    return {
      tx: gated,
      rest: () => line,
      get sealing() {
        return sealing;
      },
      close() {
        isClosed = true;
      },
    };
  }

  return {
    name: database.name,
    query: (text, values) =>
      exclusively(async () => {
        try {
          return await run(database, text, values);
        } finally {
          lane.released();
        }
      }),
    transaction: (work, options) =>
      exclusively(async () => {
        let attempts = 0;
        try {
          return await database.transaction((tx) => {
            if (attempts > 0) counts().retries += 1;
            attempts += 1;
            // BEGIN travels with the first statement.
            return attempt(tx, work);
          }, options);
        } catch (error) {
          // Serialisation failures may wait for COMMIT to be told.
          if (sqlState(error) !== undefined) count(error);
          throw error;
        } finally {
          lane.depth = undefined;
          lane.land();
          lane.released();
        }
      }),
    // A wake-up may be lost, says the port: here all are, and the polls must do.
    listen: async () => () => {},
    close: database.close,
  };
}

/** The same for a plain connection, which runs several statements at a time and knows no transactions of the store. */
export function createExecute(lane: Lane, client: pg.Client, scheduler: { readonly counts: Counts }): ExecuteSql {
  return async (sql) => {
    await lane.pass(titleOf(sql));
    if (sql === 'begin') scheduler.counts.transactions += 1;
    try {
      const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
      lane.depth = sql === 'commit' ? undefined : (lane.depth ?? 0) + 1;
      lane.land();
      return { rows: (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [] };
    } catch (error) {
      const state = sqlState(error) ?? (error as Error).name;
      scheduler.counts.errors[state] = (scheduler.counts.errors[state] ?? 0) + 1;
      lane.land(`→ ${state}`);
      throw error;
    } finally {
      if (sql === 'commit' || sql === 'rollback') {
        lane.depth = undefined;
        lane.released();
      }
    }
  };
}

/** The store sleeps before it repeats a transaction: by then the failed one is over. */
export function retryTimers(timers: Timers, lane: Lane): Timers {
  return {
    ...timers,
    async sleep() {
      lane.depth = undefined;
      lane.land();
      lane.released();
      await lane.pass('again');
    },
  };
}

/** A statement in one short line. */
function titleOf(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 100);
}
