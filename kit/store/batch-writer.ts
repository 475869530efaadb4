import type { Clock, Database, Logger, Timers, Transaction } from '#kit/runtime';
import { CommitOutcomeUnknown, DatabaseFull, isConnectionLoss, StoreOverloaded } from './errors.ts';

/** What `apply` says of one command: its result, or the error that this command alone gets. */
export type Verdict<Result> = { readonly ok: Result } | { readonly error: unknown };

export interface BatchWriterOptions<Command, Result> {
  readonly name: string;
  readonly database: Database;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  /**
   * Applies the commands inside one transaction and returns a verdict for each, in order. It may run again with the
   * same commands (alone or in other company) after a deadlock, a lost connection or an unknown commit, so every
   * command must be idempotent by its business key and `apply` must have no effect but SQL. Where it throws, or gives
   * another number of verdicts than there are commands, nothing of the batch is kept and its halves are tried alone.
   */
  readonly apply: (tx: Transaction, commands: readonly Command[]) => Promise<readonly Verdict<Result>[]>;
  /** Commands in one commit. Larger saves commits, smaller saves memory and lock time. Default 128. */
  readonly batchMax?: number;
  /**
   * Commands of different groups are never in one batch: few that take long would otherwise have all their neighbours
   * take the long way with them. Default: all are of one group.
   */
  readonly groupOf?: (command: Command) => string;
  /** Commands that may wait; one more is refused with `StoreOverloaded`. Default 5,000. */
  readonly waitingMax?: number;
  /** Batches under way at once. One is best where batches touch the same rows. Default 1. */
  readonly lanes?: number;
  /**
   * How long commands are repeated while the database is away or a commit's outcome unknown. Longer rides out a restart
   * of the database, shorter tells callers sooner. Default 5,000 ms.
   */
  readonly patienceMs?: number;
  /** Told after each commit, before the callers: batch size and time, for metrics and for waking the outbox relay. */
  readonly onCommit?: (batch: { readonly size: number; readonly durationMs: number }) => void;
}

/**
 * Group commit in the application (DESIGN §4.4): commands that arrive while a batch is under way go together into the
 * next one. An idle writer starts at once, so nothing is waited for; a busy one amortises round trips and commits, and waits
 * up to 4 ms for what a busy event loop is about to bring.
 * One bad command never fails its neighbours: a batch that fails is halved until the culprit stands alone.
 */
export interface BatchWriter<Command, Result> {
  /**
   * Resolves after the commit that made the command durable. Rejects with the command's own verdict; with what `apply`
   * threw for it alone; with `StoreOverloaded`, `DatabaseUnavailable` or `DatabaseFull` (nothing
   * was done); or, when patience ran out in doubt, with `CommitOutcomeUnknown`: then only a repeat of the same command can tell.
   */
  submit(command: Command): Promise<Result>;
  /** Refuses new commands and resolves when those accepted have ended. */
  drain(): Promise<void>;
  readonly waiting: number;
}

interface Entry<Command, Result> {
  readonly command: Command;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  readonly acceptedAtMs: number;
  /** A commit that held this command had no known end: until one has, nobody may say that nothing was done. */
  inDoubt: boolean;
}

const repeatDelayMs = 50;
/** No batch waits longer than this for company. */
const gatherMsMax = 4;
/** Turns of the event loop that take longer mean that there is plenty to do; an empty one takes some microseconds. */
const shortTurnMs = 0.5;

export function createBatchWriter<Command, Result>(
  options: BatchWriterOptions<Command, Result>,
): BatchWriter<Command, Result> {
  const { name, database, clock, timers, log, apply, onCommit } = options;
  const { batchMax = 128, groupOf, waitingMax = 5_000, lanes = 1, patienceMs = 5_000 } = options;
  let queue: Entry<Command, Result>[] = [];
  let running = 0;
  let scheduled = false;
  let draining: { promise: Promise<void>; resolve: () => void } | undefined;

  function schedule(): void {
    if (scheduled || running >= lanes || queue.length === 0) return;
    scheduled = true;
    gather(clock.monotonicMs() + gatherMsMax);
  }

  /**
   * Starts after a turn of the event loop that was short and brought nothing. Where the loop is idle that is the next one, so
   * nobody waits for nothing; a busy loop is about to bring more, which shares the round trips and the commit: at 32 clients
   * an order costs a tenth less.
   */
  function gather(untilMs: number): void {
    const seen = queue.length;
    const turnMs = clock.monotonicMs();
    timers.soon(() => {
      const nowMs = clock.monotonicMs();
      const brings = queue.length > seen || nowMs - turnMs > shortTurnMs;
      if (brings && nowMs < untilMs && queue.length < batchMax) return gather(untilMs);
      scheduled = false;
      while (running < lanes && queue.length > 0) void runLane();
    });
  }

  async function runLane(): Promise<void> {
    running += 1;
    await commitBatch(nextBatch());
    running -= 1;
    if (running === 0 && queue.length === 0) draining?.resolve();
    schedule();
  }

  /** Whoever has waited longest goes next, and all of its group with it. */
  function nextBatch(): Entry<Command, Result>[] {
    const group = groupOf?.((queue[0] as Entry<Command, Result>).command);
    const batch: Entry<Command, Result>[] = [];
    const left: Entry<Command, Result>[] = [];
    for (const entry of queue) {
      const goes = batch.length < batchMax && groupOf?.(entry.command) === group;
      (goes ? batch : left).push(entry);
    }
    queue = left;
    return batch;
  }

  async function commitBatch(batch: readonly Entry<Command, Result>[]): Promise<void> {
    const commands = batch.map((entry) => entry.command);
    const startMs = clock.monotonicMs();
    let verdicts: readonly Verdict<Result>[];
    try {
      verdicts = await database.transaction((tx) => applyAll(tx, commands));
    } catch (error) {
      return repeat(batch, error);
    }
    try {
      onCommit?.({ size: batch.length, durationMs: clock.monotonicMs() - startMs });
    } catch (error) {
      log.error('onCommit of a batch writer failed', { writer: name, error });
    }
    batch.forEach((entry, i) => {
      const verdict = verdicts[i] as Verdict<Result>;
      if ('error' in verdict) entry.reject(verdict.error);
      else entry.resolve(verdict.ok);
    });
  }

  async function applyAll(tx: Transaction, commands: readonly Command[]): Promise<readonly Verdict<Result>[]> {
    const verdicts = await apply(tx, commands);
    if (verdicts?.length === commands.length && !verdicts.includes(undefined as never)) return verdicts;
    // Inside the transaction, so that none of it is kept.
    throw new Error(`${name}: apply gave ${verdicts?.length} verdicts for ${commands.length} commands`);
  }

  /** The batch as a whole failed. Trouble with the database is waited out; anything else is narrowed to its culprit. */
  async function repeat(batch: readonly Entry<Command, Result>[], error: unknown): Promise<void> {
    if (error instanceof CommitOutcomeUnknown) for (const entry of batch) entry.inDoubt = true;
    if (error instanceof DatabaseFull) {
      // Nobody makes room within our patience, and those still waiting would meet the same.
      for (const entry of [...batch, ...queue.splice(0)]) giveUp(entry, error);
      return;
    }
    if (isConnectionLoss(error) || error instanceof StoreOverloaded) {
      const patient = giveUpTired(batch, error);
      // Those still waiting would meet the same trouble one batch after the other.
      queue = giveUpTired(queue, error);
      if (patient.length === 0) return;
      log.debug('batch repeated', { writer: name, size: patient.length, error });
      await timers.sleep(repeatDelayMs);
      return commitBatch(patient);
    }
    if (batch.length === 1) return giveUp(batch[0] as Entry<Command, Result>, error);
    log.debug('batch halved', { writer: name, size: batch.length, error });
    const half = batch.length >> 1;
    await commitBatch(batch.slice(0, half));
    await commitBatch(batch.slice(half));
  }

  /** Rejects those whose time is up; returns the others. */
  function giveUpTired(entries: readonly Entry<Command, Result>[], error: unknown): Entry<Command, Result>[] {
    const nowMs = clock.monotonicMs();
    return entries.filter((entry) => {
      const patient = nowMs - entry.acceptedAtMs <= patienceMs;
      if (!patient) giveUp(entry, error);
      return patient;
    });
  }

  function giveUp(entry: Entry<Command, Result>, error: unknown): void {
    const unknown = entry.inDoubt && !(error instanceof CommitOutcomeUnknown);
    entry.reject(unknown ? new CommitOutcomeUnknown(name, error) : error);
  }

  return {
    get waiting() {
      return queue.length;
    },
    submit(command) {
      if (draining) return Promise.reject(new StoreOverloaded(`${name}: shutting down`));
      if (queue.length >= waitingMax) return Promise.reject(new StoreOverloaded(name));
      return new Promise((resolve, reject) => {
        queue.push({ command, resolve, reject, acceptedAtMs: clock.monotonicMs(), inDoubt: false });
        schedule();
      });
    },
    drain() {
      draining ??= Promise.withResolvers<void>();
      if (running === 0 && queue.length === 0) draining.resolve();
      return draining.promise;
    },
  };
}
