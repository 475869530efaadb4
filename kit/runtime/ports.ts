/**
 * The ports: everything a service can't compute by itself, as interfaces.
 *
 * Code outside `kit/runtime` reaches time, timers, randomness, ids, logging, databases and other services only
 * through these. In production they are the system's (`systemWorld`); in the simulator they are virtual and seeded,
 * which is what makes a run reproducible from one number. A lint rule bans the direct use of the originals.
 */

/** Wall time and elapsed time. Wall time is for people and for expiry inside one database; it never orders events. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump; never compare across machines. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never goes back; use it for durations. */
  monotonicMs(): number;
}

/** A timer or subscription that can be called off. Calling it twice is harmless. */
export type Cancel = () => void;

export interface Timers {
  /** Runs `task` once after `delayMs` (0 or more). */
  after(delayMs: number, task: () => void): Cancel;
  /** Runs `task` every `periodMs`; a run still under way (a pending promise) makes the next one wait its turn. */
  every(periodMs: number, task: () => void | Promise<void>): Cancel;
  /** Resolves after `delayMs`; rejects with `signal.reason` as soon as the signal aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Runs `task` after the current turn of the event loop: lets work that has already arrived gather first. */
  soon(task: () => void): void;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `size` random bytes, fit for secrets in production. */
  bytes(size: number): Uint8Array;
}

export interface Ids {
  /** A new id `prefix_…`: 26 characters of Crockford base 32 (48 bits of time, 80 of chance), so it sorts by age. */
  next<Prefix extends string>(prefix: Prefix): `${Prefix}_${string}`;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging. Fields named like secrets or card data are redacted by every implementation. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  with(fields: LogFields): Logger;
}

/** A value that PostgreSQL can take as a parameter. Objects go as JSON; arrays as PostgreSQL arrays of their kind. */
export type SqlValue = string | number | bigint | boolean | null | Date | Uint8Array | readonly SqlValue[] | object;

export type Row = Record<string, unknown>;

export interface QueryResult<R extends object = Row> {
  readonly rows: readonly R[];
  /** Rows inserted, updated, deleted or selected. */
  readonly count: number;
}

export interface Queryable {
  /**
   * Runs one statement. The text is prepared once a connection, so it must be one of a bounded set: values go in
   * `values` ($1, $2, …), never into the text. int8 and numeric come back as JavaScript numbers and strings
   * respectively, timestamptz as Date, json as parsed values.
   * Statements sent without awaiting each other are pipelined, in order, on one round trip.
   */
  query<R extends object = Row>(text: string, values?: readonly SqlValue[]): Promise<QueryResult<R>>;
}

/** Statements of one transaction: all commit together or none does. */
export interface Transaction extends Queryable {
  /** The name of the database, for logs and errors. */
  readonly database: string;
  /**
   * Says that the statements sent so far are the last, so that COMMIT may leave in the packet with them: a round trip
   * saved. From here on only a statement that fails undoes the transaction, the work no longer can by throwing.
   */
  seal(): void;
}

export interface TransactionOptions {
  /** Default `read committed`. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly?: boolean;
  /** Serialisation failures and deadlocks (40001, 40P01) are retried this often with full jitter. Default 5. */
  readonly retries?: number;
  /** Aborts the statement under way (its SQL is cancelled) and rolls back. */
  readonly signal?: AbortSignal;
}

export interface Database extends Queryable {
  readonly name: string;
  /** As `Queryable.query`; when the signal aborts, the statement is cancelled and its connection given up. */
  query<R extends object = Row>(
    text: string,
    values?: readonly SqlValue[],
    signal?: AbortSignal,
  ): Promise<QueryResult<R>>;
  /**
   * Runs `work` in a transaction. `work` may run more than once (see `retries`), so it must have no effect but SQL.
   * Throws `CommitOutcomeUnknown` when the connection was lost while COMMIT was under way: the caller must find out
   * by business key, or simply repeat an idempotent transaction.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Calls `onMessage` for each NOTIFY on `channel`. A wake-up may be lost with its connection: keep a slow poll too. */
  listen(channel: string, onMessage: (payload: string) => void): Promise<Cancel>;
  close(): Promise<void>;
}

/** A request to an operation of a service, whatever carries it. Immutable once sent: both sides may hold it. */
export interface Request {
  readonly service: string;
  /** The operation's name within its service, for example `place`. */
  readonly operation: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Whoever sends it only passes the reply on: of one below 400 that came as JSON, the body may stay the text that it is. */
  readonly passesOn?: boolean;
}

export interface Reply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Carries a request to an instance of `request.service` and brings the reply: function call, HTTP or simulation. */
export interface Transport {
  /** Rejects with a `Problem` (category unavailable or timeout) when no reply came; the effect is then unknown. */
  send(request: Request, signal: AbortSignal): Promise<Reply>;
}

/** The world that a process or a simulation hands to its services. */
export interface World {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Logger;
}
