/**
 * The connection was lost while COMMIT (or a statement that commits by itself) was under way: it may be durable or not.
 * Repeat it if it is idempotent, or look for its business key; never assume.
 */
export class CommitOutcomeUnknown extends Error {
  readonly category = 'unavailable';
  readonly fault = 'elsewhere';
  readonly retry = 'same-key';

  constructor(database: string, cause: unknown, what = 'commit') {
    super(`${database}: the outcome of a ${what} is unknown`, { cause });
    this.name = 'CommitOutcomeUnknown';
  }
}

/** The database can't be reached, is starting or shutting down, too slow, or short of memory or connections. Nothing was done. */
export class DatabaseUnavailable extends Error {
  readonly category = 'unavailable';
  readonly fault = 'elsewhere';
  readonly retry = { afterMs: 500 };

  constructor(database: string, cause: unknown) {
    super(`${database}: the database can not serve (${cause instanceof Error ? cause.message : cause})`, {
      cause,
    });
    this.name = 'DatabaseUnavailable';
  }
}

/**
 * The disk of the server is full: 53100. Nothing was done, and it goes on by itself when there is room; that takes somebody, so
 * whoever waits out a restart need not wait for this.
 */
export class DatabaseFull extends Error {
  readonly category = 'unavailable';
  readonly fault = 'elsewhere';
  readonly retry = { afterMs: 10_000 };

  constructor(database: string, cause: unknown) {
    super(`${database}: the disk of the database is full (${cause instanceof Error ? cause.message : cause})`, {
      cause,
    });
    this.name = 'DatabaseFull';
  }
}

/**
 * The server has not answered anybody for a while (`createPulse`), so it was not asked. Nothing was done. No loss of a connection:
 * whoever waits out a restart need not wait for this.
 */
export class DatabaseSilent extends Error {
  readonly category = 'unavailable';
  readonly fault = 'elsewhere';
  readonly retry = { afterMs: 1_000 };

  constructor(database: string) {
    super(`${database}: the database does not answer; it is not asked until it does`);
    this.name = 'DatabaseSilent';
  }
}

/** A pool or queue is full, or a lock was not to be had in time: refused rather than late. Nothing was done. */
export class StoreOverloaded extends Error {
  readonly category = 'unavailable';
  readonly fault = 'load';
  readonly retry = { afterMs: 200 };

  constructor(what: string, cause?: unknown) {
    super(`${what}: too much is waiting already`, { cause });
    this.name = 'StoreOverloaded';
  }
}

/**
 * What a transaction had read was changed by another before it could write: `Database.transaction` runs it again, as
 * after a serialisation failure.
 */
export class Overtaken extends Error {
  readonly code = '40001';
}

export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** A row with this key is there already: 23505. */
export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === '23505';
}

/** A write by `exactly` met another number of rows than it was decided on: 22012, the division that it is made of. */
export function isInexact(error: unknown): boolean {
  return sqlState(error) === '22012';
}

/** Serialisation failure and deadlock: the transaction was rolled back and may simply run again. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

/**
 * Connection trouble rather than a refused statement: class 08, the shutdown and recovery states of class 57, an I/O
 * error of the server (58030: its fsync may fail after the row became durable), or a socket error without a state.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable || error instanceof CommitOutcomeUnknown) return true;
  const { code, message = '' } = (error ?? {}) as { code?: string; message?: string };
  // Before the SQL states: EPIPE looks like one.
  if (code !== undefined && /^(E[A-Z]{3,}|EAI_[A-Z]+)$/.test(code)) return true;
  const state = sqlState(error);
  if (state !== undefined) return state.startsWith('08') || state.startsWith('57P') || state.startsWith('58');
  return /connection (terminated|error|timeout)|not queryable|timeout exceeded when trying to connect|client was closed/i.test(
    message,
  );
}

/** The server stopped a statement, as a rule after `statementTimeoutMs`: 57014. Nothing of it is done. */
export function isStopped(error: unknown): boolean {
  return sqlState(error) === '57014';
}

/** Others held a row for longer than `lockTimeoutMs`: 55P03. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === '55P03';
}

/** 53100. */
export function isDiskFull(error: unknown): boolean {
  return sqlState(error) === '53100';
}

/** The server has no room for the work, on its disk or in its memory, and says so: class 53. It goes on otherwise. */
export function isExhausted(error: unknown): boolean {
  return sqlState(error)?.startsWith('53') ?? false;
}

/**
 * Errors of COMMIT after which nobody knows: a lost connection, and those that can come from below the point of no
 * return (resources, internal errors). Everything else — a deferred constraint, a serialisation failure — is definite.
 */
export function isCommitDoubtful(error: unknown): boolean {
  const state = sqlState(error) ?? '';
  return isConnectionLoss(error) || isExhausted(error) || state === '40003' || state.startsWith('XX');
}

/**
 * A prepared statement that the server no longer honours: a migration changed what it returns (0A000 from the plan
 * cache), or something on the way forgot it (26000). It may run again under a new name.
 */
export function isStalePlan(error: unknown): boolean {
  const state = sqlState(error);
  if (state === '26000') return true;
  return state === '0A000' && (error as { routine?: string }).routine === 'RevalidateCachedQuery';
}
