import type { Database, QueryResult, SqlValue, Transaction } from '#kit/runtime';
import { CommitOutcomeUnknown, DatabaseUnavailable, isConnectionLoss, isTransient, sqlState } from '#kit/store';
import type { Connection } from './database-connection.ts';
import type { DatabaseServer } from './database-server.ts';
import type { Incarnation } from './node.ts';

const retriesDefault = 5;
const retryDelayMsBase = 5;
const retryDelayMsMax = 200;

/**
 * The Database port as a process of the simulation has it: the same promises, retries and errors as kit/store's on a
 * real server. Statements of one transaction run in order, each at a moment of its own.
 */
export function createSimulatedDatabase(server: DatabaseServer, client: Incarnation): Database {
  const { name } = server;
  const { timers, random } = client.world;

  async function connect(): Promise<Connection> {
    const connection = server.connect(client);
    try {
      await connection.acquire();
      return connection;
    } catch (error) {
      throw new DatabaseUnavailable(name, error);
    }
  }

  async function transactionOnce<T>(
    work: (tx: Transaction) => Promise<T>,
    begin: string,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const connection = await connect();
    connection.begin(begin);
    let ended = false;
    /** The first statement that failed: whatever follows it fails only because of it. */
    let failure: unknown;
    let last: Promise<unknown> = Promise.resolve();
    const tx: Transaction = {
      database: name,
      query<R extends object>(text: string, values: readonly SqlValue[] = []) {
        if (ended) return refuse(new Error(`${name}: a statement was sent after its transaction had ended`));
        const mine = last.then(() => connection.execute(text, values));
        // A failed statement doesn't keep the next one from being sent: it was in the pipeline already.
        last = mine.catch((error) => {
          failure ??= error;
        });
        return mine as unknown as Promise<QueryResult<R>>;
      },
      // COMMIT keeps its own moment, so that crashes come before it and after it.
      seal() {
        ended = true;
      },
    };
    try {
      const result = await work(tx);
      ended = true;
      await last;
      signal?.throwIfAborted();
      const outcome = await connection.commit();
      if (outcome === 'unknown') throw new CommitOutcomeUnknown(name, new Error('Connection terminated unexpectedly'));
      if (outcome === 'rolled-back') throw failure ?? new Error(`${name}: the transaction was rolled back at commit`);
      return result;
    } catch (error) {
      ended = true;
      if (error instanceof CommitOutcomeUnknown) throw error;
      await last;
      await connection.rollback();
      if (signal?.aborted) throw signal.reason;
      if (connection.isLost) throw new DatabaseUnavailable(name, error);
      throw reasonOf(error, failure);
    } finally {
      connection.release();
    }
  }

  async function queryOnce<R extends object>(text: string, values: readonly SqlValue[]): Promise<QueryResult<R>> {
    const connection = await connect();
    try {
      return (await connection.execute(text, values)) as unknown as QueryResult<R>;
    } catch (error) {
      // It was on its way, and commits by itself: nobody knows whether it did.
      throw isConnectionLoss(error) ? new CommitOutcomeUnknown(name, error, 'statement') : error;
    } finally {
      connection.release();
    }
  }

  async function repeated<T>(once: () => Promise<T>, retries: number, signal?: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await once();
      } catch (error) {
        if (!isTransient(error) || attempt >= retries) throw error;
        await timers.sleep(random.next() * Math.min(retryDelayMsMax, retryDelayMsBase * 2 ** attempt), signal);
      }
    }
  }

  return {
    name,
    query: <R extends object>(text: string, values: readonly SqlValue[] = []) =>
      repeated(() => queryOnce<R>(text, values), retriesDefault),
    transaction(work, { isolation = 'read committed', readOnly = false, retries = retriesDefault, signal } = {}) {
      const begin = `begin isolation level ${isolation}${readOnly ? ' read only' : ''}`;
      return repeated(() => transactionOnce(work, begin, signal), retries, signal);
    },
    listen: async (channel, onMessage) => server.listen(client, channel, onMessage),
    async close() {},
  };
}

function refuse(error: unknown): Promise<never> {
  const refused = Promise.reject(error);
  refused.catch(() => {});
  return refused;
}

/** What the work concluded after a serialisation failure or deadlock counts for nothing: it has to run again. */
function reasonOf(error: unknown, failure: unknown): unknown {
  if (failure === undefined) return error;
  return sqlState(error) === '25P02' || isTransient(failure) ? failure : error;
}
