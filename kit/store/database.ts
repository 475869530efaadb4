import type pg from 'pg';
import type { Cancel, Database, Logger, QueryResult, Random, SqlValue, Timers, Transaction } from '#kit/runtime';
import { type Connection, createConnections, orAborted, type PoolStatus } from './connections.ts';
import {
  CommitOutcomeUnknown,
  DatabaseFull,
  DatabaseUnavailable,
  isCommitDoubtful,
  isConnectionLoss,
  isDiskFull,
  isExhausted,
  isLockTimeout,
  isStalePlan,
  isStopped,
  isTransient,
  StoreOverloaded,
  sqlState,
} from './errors.ts';
import { listen } from './listen.ts';
import { createStatements } from './statements.ts';
import { valueTypes, wireValues } from './values.ts';

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
  /** A connection must come up, and a caller get one, within this. Default 5,000 ms. */
  readonly connectTimeoutMs?: number;
  /** A statement is cancelled after this. Default 10,000 ms. */
  readonly statementTimeoutMs?: number;
  /** A lock is waited for no longer than this. Default 5,000 ms. */
  readonly lockTimeoutMs?: number;
  /**
   * When nothing has answered for so long, though asked, new connections find out whether the server lives; if they get no answer
   * either, everything is refused at once (`DatabaseSilent`) until it does. Default 2,000 ms; 0: never. Larger bears longer pauses,
   * smaller keeps fewer callers waiting.
   */
  readonly pulseMs?: number;
  /** A transaction left open without a statement is ended after this. Default 15,000 ms. */
  readonly idleTransactionTimeoutMs?: number;
}

const defaultRetries = 5;
const retryDelayMsBase = 5;
const retryDelayMsMax = 200;
/** The server ends a statement at its time-out; if it has not said so by then it is gone, or the network is. */
const silenceMarginMs = 5_000;
/** A cancel request may reach the server just before its statement does, so it is repeated. */
const cancelPeriodMs = 100;
const cancelPatienceMs = 1_000;
const toldFullPeriodMs = 60_000;

export interface PooledDatabase extends Database {
  readonly pool: PoolStatus;
}

/** PostgreSQL (15 or later) behind the Database port: pooled, pipelined, prepared. */
export function createDatabase(options: DatabaseOptions): PooledDatabase {
  const { url, timers, random, log, connectionsMax = 8, waitingMax = 1_000, statementTimeoutMs = 10_000 } = options;
  const name = options.name ?? new URL(url).pathname.slice(1);
  const settings: pg.ClientConfig = {
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs ?? 5_000,
    idle_in_transaction_session_timeout: options.idleTransactionTimeoutMs ?? 15_000,
    application_name: `holdfast ${name}`,
    types: valueTypes,
  };
  const connections = createConnections({
    name,
    settings: { ...settings, pipeline: true } as pg.ClientConfig,
    connectionsMax,
    waitingMax,
    silenceMsMax: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + silenceMarginMs,
    pulseMs: options.pulseMs ?? 2_000,
    timers,
    log,
  });
  const statements = createStatements(name, log);
  const listeners = new Set<Cancel>();
  let cancelSilence: Cancel | undefined;

  /** Told once in a while: all that is written meets it, and each line wants room as well. */
  function noRoom(reason: unknown): DatabaseFull {
    if (!cancelSilence) {
      log.error(
        'the disk of the database server is full: free some space; what can be read is, and the rest goes on by itself',
        {
          database: name,
          error: reason,
        },
      );
      cancelSilence = timers.after(toldFullPeriodMs, () => {
        cancelSilence = undefined;
      });
    }
    return new DatabaseFull(name, reason);
  }

  async function run<R extends object>(
    connection: Connection,
    text: string,
    values: readonly SqlValue[] = [],
  ): Promise<QueryResult<R>> {
    const statement = statements.nameOf(text);
    try {
      const result = await connection.ask({
        ...(statement === undefined ? {} : { name: statement }),
        text,
        values: wireValues(values),
      });
      return { rows: result.rows as R[], count: result.rowCount ?? 0 };
    } catch (error) {
      if (isStalePlan(error)) statements.renew(statement);
      throw error;
    }
  }

  async function queryOnce<R extends object>(
    text: string,
    values: readonly SqlValue[] | undefined,
    signal: AbortSignal | undefined,
  ): Promise<QueryResult<R>> {
    const connection = await connections.take(signal);
    const stopCancelling = signal ? cancelWhenAborted(connection, signal) : undefined;
    try {
      const answer = run<R>(connection, text, values);
      return await (signal ? orAborted(answer, signal) : answer);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      // It was on its way, and commits by itself: nobody knows whether it did.
      if (isConnectionLoss(error) || isExhausted(error)) throw new CommitOutcomeUnknown(name, error, 'statement');
      if (isLockTimeout(error)) throw new StoreOverloaded(`${name}: a lock`, error);
      throw isStopped(error) ? new DatabaseUnavailable(name, error) : error;
    } finally {
      stopCancelling?.();
      // Nobody waits for what it may still be doing, and a late cancel request must not meet its next user.
      connection.release(signal?.aborted ? new Error('aborted') : undefined);
    }
  }

  async function transactionOnce<T>(
    work: (tx: Transaction) => Promise<T>,
    begin: string,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const connection = await connections.take(signal);
    const stopCancelling = signal ? cancelWhenAborted(connection, signal) : undefined;
    /** The first statement that failed: whatever follows it fails only because of it. */
    let failure: unknown;
    let ended = false;
    /** COMMIT, once the work has sealed the transaction. */
    let committing: Promise<boolean> | undefined;
    const note = (error: unknown) => {
      failure ??= error;
    };
    const tx: Transaction = {
      database: name,
      query(text, values) {
        if (ended) return refuse(new Error(`${name}: a statement was sent after its transaction had ended`));
        if (signal?.aborted) return refuse(signal.reason);
        const answer = run<never>(connection, text, values);
        // Also keeps a statement that was sent but not awaited from ending the process.
        answer.catch(note);
        return answer;
      },
      seal() {
        if (ended || signal?.aborted) return;
        ended = true;
        committing = commit(connection);
        committing.catch(() => {});
      },
    };
    try {
      // Not awaited: BEGIN travels with the first statement.
      const began = connection.ask(begin);
      began.catch(note);
      const result = await (signal ? orAborted(work(tx), signal) : work(tx));
      ended = true;
      if (!committing) {
        await began;
        signal?.throwIfAborted();
      }
      // COMMIT of a transaction that a statement has already failed answers ROLLBACK without an error.
      if (!(await (committing ?? commit(connection)))) {
        throw failure ?? new Error(`${name}: the transaction was rolled back at commit`);
      }
      return result;
    } catch (error) {
      ended = true;
      // On its way already: what has failed tells nothing until COMMIT has been answered, or never will be.
      if (committing && (await committing)) throw error;
      if (error instanceof CommitOutcomeUnknown) throw error;
      if (!committing && !connection.lost) await connection.ask('rollback').catch(() => {});
      if (signal?.aborted) throw signal.reason;
      if (connection.lost) throw new DatabaseUnavailable(name, error);
      const reason = reasonOf(error, failure);
      if (isLockTimeout(reason)) throw new StoreOverloaded(`${name}: a lock`, reason);
      if (isDiskFull(reason)) throw noRoom(reason);
      throw isExhausted(reason) || isStopped(reason) ? new DatabaseUnavailable(name, reason) : reason;
    } finally {
      stopCancelling?.();
      // A late cancel request must not meet the next user of the connection.
      connection.release(signal?.aborted ? new Error('aborted') : undefined);
    }
  }

  /** False when the server rolled back instead. */
  async function commit(connection: Connection): Promise<boolean> {
    // Lost before COMMIT was sent: the server rolls back.
    if (connection.lost) throw connection.lost;
    try {
      const { command } = await connection.ask('commit');
      return command === 'COMMIT';
    } catch (error) {
      // Even an error answer is no proof: after an fsync failure the commit record may have reached the disk.
      if (isCommitDoubtful(error)) throw new CommitOutcomeUnknown(name, error);
      throw error;
    }
  }

  /** Until told to stop: tells the server again and again, and at last cuts the connection. */
  function cancelWhenAborted(connection: Connection, signal: AbortSignal): Cancel {
    let cancelTimer: Cancel = () => {};
    let leftMs = cancelPatienceMs;
    const onAbort = () => {
      if (leftMs <= 0) return connection.cut(new Error('aborted'));
      connection.cancelStatement();
      leftMs -= cancelPeriodMs;
      cancelTimer = timers.after(cancelPeriodMs, onAbort);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return () => {
      signal.removeEventListener('abort', onAbort);
      cancelTimer();
    };
  }

  async function repeated<T>(once: () => Promise<T>, retries: number, signal?: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await once();
      } catch (error) {
        if (attempt >= retries) throw error;
        // A renewed statement needs no waiting: nobody stands in its way.
        if (isStalePlan(error)) continue;
        if (!isTransient(error)) throw error;
        const ceiling = Math.min(retryDelayMsMax, retryDelayMsBase * 2 ** attempt);
        await timers.sleep(random.next() * ceiling, signal);
      }
    }
  }

  return {
    name,
    get pool() {
      return connections.status;
    },
    query: <R extends object>(text: string, values?: readonly SqlValue[], signal?: AbortSignal) =>
      repeated(() => queryOnce<R>(text, values, signal), defaultRetries, signal),
    transaction(work, options = {}) {
      const { isolation = 'read committed', readOnly = false, retries = defaultRetries, signal } = options;
      const begin = `begin isolation level ${isolation}${readOnly ? ' read only' : ''}`;
      return repeated(() => transactionOnce(work, begin, signal), retries, signal);
    },
    async listen(channel, onMessage) {
      const cancel = await listen({ name, settings, timers, log }, channel, onMessage);
      const forget = () => {
        listeners.delete(forget);
        cancel();
      };
      listeners.add(forget);
      return forget;
    },
    close() {
      cancelSilence?.();
      for (const cancel of listeners) cancel();
      return connections.close();
    },
  };
}

function refuse(error: unknown): Promise<never> {
  const refused = Promise.reject(error);
  refused.catch(() => {});
  return refused;
}

/**
 * What to tell of a failed transaction. "Current transaction is aborted" is never the cause; and what the work concluded
 * after a serialisation failure or deadlock counts for nothing: it has to run again.
 */
function reasonOf(error: unknown, failure: unknown): unknown {
  if (failure === undefined) return error;
  return sqlState(error) === '25P02' || isTransient(failure) || isStalePlan(failure) ? failure : error;
}
