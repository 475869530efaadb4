import pg from 'pg';
import type { Cancel, Database, Logger, QueryResult, Random, SqlValue, Timers, Transaction } from '#kit/runtime';
import { CommitOutcomeUnknown, DatabaseUnavailable, isConnectionLoss, isTransient, StoreOverloaded } from './errors.ts';

export interface DatabaseOptions {
  /** `postgres://role:password@host:port/database`. */
  readonly url: string;
  /** For logs and errors; default: the database of the URL. */
  readonly name?: string;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  /** Connections. More than a few times the server's cores only adds lock waiting. Default 8. */
  readonly connectionsMax?: number;
  /** Callers that may wait for a connection; one more is refused with `StoreOverloaded`. Default 1000. */
  readonly waitingMax?: number;
  /** A statement is cancelled after this. Default 10,000 ms. */
  readonly statementTimeoutMs?: number;
  /** A lock is waited for no longer than this. Default 5,000 ms. */
  readonly lockTimeoutMs?: number;
  /** A transaction left open without a statement is ended after this. Default 15,000 ms. */
  readonly idleTransactionTimeoutMs?: number;
}

const defaultRetries = 5;
const retryDelayMsBase = 5;
const retryDelayMsMax = 200;

/** int8 as number: every count and amount here stays below 2^53, and a wrong one fails loudly in arithmetic checks. */
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text));
pg.types.setTypeParser(pg.types.builtins.NUMERIC, (text) => text);

/** PostgreSQL (15 or later) behind the Database port: pooled, pipelined, prepared. */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, timers, random, log, connectionsMax = 8, waitingMax = 1000 } = options;
  const name = options.name ?? new URL(url).pathname.slice(1);
  const settings = {
    connectionString: url,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    statement_timeout: options.statementTimeoutMs ?? 10_000,
    lock_timeout: options.lockTimeoutMs ?? 5_000,
    idle_in_transaction_session_timeout: options.idleTransactionTimeoutMs ?? 15_000,
    application_name: `holdfast ${name}`,
  };
  const pool = new pg.Pool({ ...settings, max: connectionsMax, idleTimeoutMillis: 60_000 });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', (error) => log.warn('idle database connection lost', { database: name, error: error.message }));
  const prepared = new Map<string, string>();

  function nameOf(text: string): string {
    let statement = prepared.get(text);
    if (!statement) {
      statement = `s${prepared.size}`;
      prepared.set(text, statement);
      // A statement text built from values would grow this table, and the server's memory, without end.
      if (prepared.size === 1000) log.warn('1000 different statements prepared', { database: name, text });
    }
    return statement;
  }

  async function run<R extends object>(
    client: pg.PoolClient,
    text: string,
    values?: readonly SqlValue[],
  ): Promise<QueryResult<R>> {
    const result = await client.query({ name: nameOf(text), text, values: (values ?? []) as unknown[] });
    return { rows: result.rows as R[], count: result.rowCount ?? 0 };
  }

  async function connect(): Promise<pg.PoolClient> {
    if (pool.waitingCount >= waitingMax) throw new StoreOverloaded(`${name}: connection pool`);
    try {
      const client = await pool.connect();
      if (client.listenerCount('error') === 0) client.on('error', () => {});
      return client;
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
    const client = await connect();
    let broken: Error | undefined;
    const onAbort = () => {
      // Ending the connection makes the server notice within its next statement and roll back.
      broken = new Error('aborted');
      cancelStatement(client, settings.connectionString);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      // Not awaited: BEGIN travels with the first statement. Its failure surfaces there too.
      const began = client.query(begin);
      began.catch(() => {});
      const tx: Transaction = { database: name, query: (text, values) => run(client, text, values) };
      const result = await work(tx);
      await began;
      signal?.throwIfAborted();
      await commit(client);
      return result;
    } catch (error) {
      if (error instanceof CommitOutcomeUnknown || isConnectionLoss(error)) broken = error as Error;
      else await client.query('rollback').catch((cause: Error) => (broken = cause));
      if (signal?.aborted) throw signal.reason;
      if (broken && !(error instanceof CommitOutcomeUnknown)) throw new DatabaseUnavailable(name, error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      client.release(broken);
    }
  }

  async function commit(client: pg.PoolClient): Promise<void> {
    let result: pg.QueryResult;
    try {
      result = await client.query('commit');
    } catch (error) {
      // Even an error answer is no proof: after an fsync failure the commit record may have reached the disk.
      if (isConnectionLoss(error)) throw new CommitOutcomeUnknown(name, error);
      throw error;
    }
    // COMMIT of a transaction that a statement has already failed answers ROLLBACK without an error.
    if (result.command !== 'COMMIT') throw new Error(`${name}: the transaction was rolled back at commit`);
  }

  return {
    name,
    async query(text, values) {
      const client = await connect();
      let broken: Error | undefined;
      try {
        return await run(client, text, values);
      } catch (error) {
        if (!isConnectionLoss(error)) throw error;
        broken = error as Error;
        throw new DatabaseUnavailable(name, error);
      } finally {
        client.release(broken);
      }
    },
    async transaction(work, { isolation = 'read committed', readOnly = false, retries = defaultRetries, signal } = {}) {
      const begin = `begin isolation level ${isolation}${readOnly ? ' read only' : ''}`;
      for (let attempt = 0; ; attempt++) {
        try {
          return await transactionOnce(work, begin, signal);
        } catch (error) {
          if (!isTransient(error) || attempt >= retries) throw error;
          const ceiling = Math.min(retryDelayMsMax, retryDelayMsBase * 2 ** attempt);
          await timers.sleep(random.next() * ceiling, signal);
        }
      }
    },
    listen: (channel, onMessage) => listen({ ...settings, name, timers, log }, channel, onMessage),
    close: () => pool.end(),
  };
}

/** Asks the server to cancel what a connection is running, over a connection of its own as the protocol wants it. */
function cancelStatement(client: pg.PoolClient, connectionString: string): void {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const canceller = new pg.Client({ connectionString }) as unknown as {
    connection: {
      on(event: string, listener: () => void): void;
      connect(port: number, host: string): void;
      cancel(processID: number, secretKey: number): void;
      end(): void;
    };
    host: string;
    port: number;
  };
  const { connection, host, port } = canceller;
  connection.on('error', () => {});
  connection.on('connect', () => {
    connection.cancel(processID, secretKey);
  });
  if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}` as unknown as number, '');
  else connection.connect(port, host);
}

interface ListenOptions extends pg.ClientConfig {
  readonly name: string;
  readonly timers: Timers;
  readonly log: Logger;
}

const listenRetryMs = 1000;

/** A connection of its own for notifications, made anew for as long as the subscription lives. */
async function listen(
  { name, timers, log, ...settings }: ListenOptions,
  channel: string,
  onMessage: (payload: string) => void,
): Promise<Cancel> {
  if (!/^[a-z_]+$/.test(channel)) throw new Error(`listen: ${channel} is not a channel name`);
  let client: pg.Client | undefined;
  let cancelRetry: Cancel = () => {};
  let stopped = false;

  async function start(): Promise<void> {
    const mine = new pg.Client({ ...settings, pipeline: false } as pg.ClientConfig);
    client = mine;
    let failed = false;
    const retry = (error?: Error) => {
      if (stopped || failed) return;
      failed = true;
      log.debug('listen connection lost', { database: name, channel, error: error?.message });
      mine.end().catch(() => {});
      cancelRetry = timers.after(listenRetryMs, () => void start().catch(retry));
    };
    mine.on('error', retry);
    mine.on('end', () => retry());
    mine.on('notification', (message) => onMessage(message.payload ?? ''));
    try {
      await mine.connect();
      await mine.query(`listen ${channel}`);
      // What was announced while nobody listened is made up for by one wake-up.
      onMessage('');
    } catch (error) {
      retry(error as Error);
    }
  }

  await start();
  return () => {
    stopped = true;
    cancelRetry();
    client?.end().catch(() => {});
  };
}
