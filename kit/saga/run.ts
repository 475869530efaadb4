import type { Clock, Database, Logger, Random, Timers } from '#kit/runtime';
import {
  type LocalStep,
  pivotOf,
  type Refusal,
  type RemoteStep,
  type SagaDefinition,
  type Step,
  type StepContext,
  type StepOutcome,
  type StepRetry,
  turningPointOf,
  type WaitStep,
} from './definition.ts';
import {
  asleep,
  isEnded,
  type JournalEntry,
  noted,
  placeOf,
  refusedFor,
  type SagaRecord,
  stepCompensated,
  stepDone,
  stuckFor,
  turnRound,
} from './record.ts';
import { retakeSaga, SagaFenced } from './store.ts';

export interface RunOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  readonly save: (progress: SagaRecord) => Promise<void>;
  readonly onStep: (saga: SagaRecord, entry: JournalEntry) => void;
  /** Why a saga that can't go on just now should be left to another instance; undefined while it may wait here. */
  readonly leaving: () => Error | undefined;
}

/** A saga under way in this process. */
export interface SagaRun {
  readonly record: SagaRecord;
  /** Why this process lets go of the saga; undefined while it goes on. */
  readonly left: Error | undefined;
  /** True while the saga waits to try something again. */
  readonly pausing: boolean;
  /** Since when there is progress that is not written yet; undefined when all is, or a write is under way. */
  readonly unsavedSinceMs: number | undefined;
  /** Goes on until the saga has ended, sleeps or is stuck. Rejects with `left` when it was let go. */
  drive(): Promise<void>;
  /** Writes what is not written yet, without anyone waiting for it. */
  saveBehind(): void;
  /** Stops as soon as possible: what is under way is aborted, nothing more is begun. */
  letGo(reason: Error): void;
}

type Attempted = StepOutcome | { readonly failed: unknown };

const retryDefaults: Required<StepRetry> = { delayMs: 50, delayMsMax: 10_000, giveUpAfterMs: 15 * 60_000 };
const stepTimeoutMsDefault = 5_000;
/** A failure that goes on is written down the first time and then every so many attempts. */
const attemptsPerNote = 10;

/** `durable`: the revision that the database is known to have. */
export function createRun(
  first: SagaRecord,
  definition: SagaDefinition,
  options: RunOptions,
  durable: number = first.revision,
): SagaRun {
  const { database, clock, timers, random, log, save, onStep, leaving } = options;
  const pivot = pivotOf(definition as SagaDefinition<never>);
  const turningPoint = turningPointOf(definition as SagaDefinition<never>);
  let record = first;
  let durableRevision = durable;
  let unsavedSinceMs: number | undefined;
  let saving = false;
  let left: Error | undefined;
  let pausing = false;
  let interrupt: ((reason: Error) => void) | undefined;

  async function forward(): Promise<void> {
    const step = definition.steps[record.step] as Step<unknown>;
    if (step.kind === 'wait') return wait(step);
    // A pivot in another service may not begin before the database knows that it may have: until then a saga that is
    // given up, or refused after a takeover, is compensated from the pivot down.
    if (step.kind === 'remote' && record.step === pivot) await saveIfMoved();
    const retry = { ...retryDefaults, ...step.retry };
    const startMs = clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      const attempted = await (step.kind === 'local' ? attemptLocal(step, attempt) : attemptRemote(step, attempt));
      const entry = (event: JournalEntry['event'], detail?: string): JournalEntry => ({
        step: step.name,
        event,
        at: clock.now(),
        attempts: attempt,
        durationMs: elapsedMs(startMs),
        ...(detail === undefined ? {} : { detail }),
      });
      if ('done' in attempted) return stepEnded(step, attempted.done, entry('done'));
      if ('refused' in attempted) return stepRefused(step, attempted.refused, attempt, entry);
      if (record.step <= turningPoint && step.kind === 'remote' && elapsedMs(startMs) > retry.giveUpAfterMs) {
        const cause = { reason: 'gave-up', detail: `${step.name}: ${describe(attempted.failed)}` };
        const gaveUp = entry('gave-up', cause.detail);
        tell(record, gaveUp);
        return saveNow(turnRound(record, cause, { includeCurrent: true, pivot }, gaveUp));
      }
      if (attempt === 1 || attempt % attemptsPerNote === 0) {
        log.warn('saga step failed, will be repeated', {
          saga: record.id,
          step: step.name,
          attempt,
          error: attempted.failed,
        });
        note(entry('failed', describe(attempted.failed)));
      }
      await pause(backoff(retry, attempt));
    }
  }

  function attemptRemote(step: RemoteStep<unknown>, attempt: number): Promise<Attempted> {
    return within(step, attempt, (context) => step.run(context));
  }

  /** The progress given to the step is what the saga will be once it is done. */
  function attemptLocal(step: LocalStep<unknown>, attempt: number): Promise<Attempted> {
    const startMs = clock.monotonicMs();
    return within(step, attempt, (context) => {
      const entry: JournalEntry = {
        step: step.name,
        event: 'done',
        at: clock.now(),
        attempts: attempt,
        durationMs: elapsedMs(startMs),
      };
      return step.run(context, stepDone(record, step.name, definition.steps.length, undefined, entry));
    });
  }

  async function stepEnded(step: Step<unknown>, result: unknown, entry: JournalEntry): Promise<void> {
    // What a local step gives back is not in the progress it has written, so it would be lost by a takeover: not kept.
    const kept = step.kind === 'local' ? undefined : result;
    const next = stepDone(record, step.name, definition.steps.length, kept, entry);
    tell(next, entry);
    if (step.kind === 'local') isDurable(next);
    else if (isEnded(next) || record.step === pivot) await saveNow(next);
    else movedTo(next);
  }

  async function stepRefused(
    step: Step<unknown>,
    refusal: Refusal,
    attempt: number,
    entry: (event: JournalEntry['event'], detail?: string) => JournalEntry,
  ): Promise<void> {
    // An attempt that seemed to fail may have been committed, or may still be on its way. From here on it can't be.
    if (step.kind === 'local' && attempt > 1 && (await retakeMoved())) return;
    tell(record, entry('refused', refusal.reason));
    if (record.step > pivot) {
      log.error('saga stuck: a step past the pivot was refused', { saga: record.id, step: step.name, refusal });
      return saveNow(stuckFor(record, refusal, entry('failed', refusal.reason)));
    }
    // An earlier attempt whose outcome is unknown may have done what this one was refused.
    const position = { includeCurrent: attempt > 1, pivot };
    return saveNow(turnRound(record, refusal, position, entry('refused', refusal.reason)));
  }

  /** Takes our own saga again. True when the database has it further than we know: then it goes on from there. */
  async function retakeMoved(): Promise<boolean> {
    const standing = await retakeSaga(database, record);
    if (!standing) throw new SagaFenced(record.id);
    durableRevision = standing.revision;
    const moved = placeOf(standing.revision) > placeOf(record.revision);
    record = moved ? standing : { ...record, fence: standing.fence };
    return moved;
  }

  async function wait(step: WaitStep<unknown>): Promise<void> {
    if (record.results[step.name] !== 'waiting') {
      return saveNow(asleep(record, step.name, step.delayMs(record.input)));
    }
    const entry: JournalEntry = { step: step.name, event: 'done', at: clock.now() };
    const next = stepDone(record, step.name, definition.steps.length, 'over', entry);
    tell(next, entry);
    if (isEnded(next)) await saveNow(next);
    else movedTo(next);
  }

  async function backward(): Promise<void> {
    if (record.step < 0) return refuse();
    const step = definition.steps[record.step] as Step<unknown>;
    const { compensate } = step;
    if (!compensate) return movedTo(stepCompensated(record, undefined));
    const startMs = clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      const tried = await within(step, attempt, async (context) => {
        await compensate(context);
        return { done: undefined };
      });
      const entry = (event: JournalEntry['event'], detail?: string): JournalEntry => ({
        step: step.name,
        event,
        at: clock.now(),
        attempts: attempt,
        durationMs: elapsedMs(startMs),
        ...(detail === undefined ? {} : { detail }),
      });
      if ('done' in tried) {
        const compensated = entry('compensated');
        tell(record, compensated);
        return movedTo(stepCompensated(record, compensated));
      }
      const error = 'failed' in tried ? tried.failed : tried.refused;
      if (isDefinite(error)) {
        // Nobody can undo this by repeating it: people must look.
        log.error('saga stuck: a compensation was refused', { saga: record.id, step: step.name, error });
        const detail = describe(error);
        const cause = record.cause ?? { reason: 'compensation-failed', detail };
        return saveNow(stuckFor(record, cause, entry('failed', detail)));
      }
      if (attempt === 1 || attempt % attemptsPerNote === 0) {
        log.warn('saga compensation failed, will be repeated', { saga: record.id, step: step.name, attempt, error });
        note(entry('failed', describe(error)));
      }
      await pause(backoff({ ...retryDefaults, ...step.retry }, attempt));
    }
  }

  /** All is undone: the refusal is recorded, with what the service has to say about it. */
  async function refuse(): Promise<void> {
    const { onRefused } = definition;
    const progress = refusedFor(record);
    if (!onRefused) return saveNow(progress);
    const cause: Refusal = record.cause ?? { reason: 'unknown' };
    for (let attempt = 1; ; attempt++) {
      const tried = await within({ name: 'refused' }, attempt, async (context) => {
        await onRefused(context, cause, progress);
        return { done: undefined };
      });
      if ('done' in tried) return isDurable(progress);
      if (attempt === 1 || attempt % attemptsPerNote === 0) {
        log.warn('a refusal could not be recorded, will be repeated', {
          saga: record.id,
          attempt,
          error: 'failed' in tried ? tried.failed : tried.refused,
        });
      }
      await pause(backoff(retryDefaults, attempt));
    }
  }

  /** Runs one attempt under its time limit. Definite refusals become outcomes; everything else may be tried again. */
  async function within(
    step: Pick<Step<unknown>, 'name' | 'timeoutMs'>,
    attempt: number,
    work: (context: StepContext) => Promise<StepOutcome>,
  ): Promise<Attempted> {
    if (left) throw left;
    const timeoutMs = step.timeoutMs ?? stepTimeoutMsDefault;
    const abort = new AbortController();
    const stopped = Promise.withResolvers<never>();
    interrupt = (reason) => {
      abort.abort(reason);
      stopped.reject(reason);
    };
    const cancel = timers.after(timeoutMs, () => interrupt?.(new Error(`step ${step.name} took over ${timeoutMs} ms`)));
    const context: StepContext = {
      sagaId: record.id,
      input: record.input,
      results: record.results,
      key: `${record.id}:${step.name}`,
      attempt,
      signal: abort.signal,
      timeoutMs,
    };
    try {
      return await Promise.race([work(context), stopped.promise]);
    } catch (error) {
      if (left) throw left;
      if (error instanceof SagaFenced) throw error;
      return isDefinite(error) && record.status === 'running' ? { refused: refusalOf(error) } : { failed: error };
    } finally {
      interrupt = undefined;
      cancel();
    }
  }

  async function pause(delayMs: number): Promise<void> {
    left ??= leaving();
    if (left) throw left;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = timers.after(delayMs, resolve);
    interrupt = reject;
    pausing = true;
    try {
      await promise;
    } finally {
      interrupt = undefined;
      pausing = false;
      cancel();
    }
  }

  function backoff({ delayMs, delayMsMax }: Required<StepRetry>, attempt: number): number {
    return random.next() * Math.min(delayMsMax, delayMs * 2 ** Math.min(attempt - 1, 20));
  }

  const elapsedMs = (startMs: number): number => Math.round((clock.monotonicMs() - startMs) * 10) / 10;

  /** Progress that need not be durable at once: repeating it from an older record is harmless. */
  function movedTo(next: SagaRecord): void {
    record = next;
    unsavedSinceMs ??= clock.monotonicMs();
  }

  function note(entry: JournalEntry): void {
    movedTo(noted(record, entry));
    tell(record, entry);
  }

  function isDurable(next: SagaRecord): void {
    record = next;
    durableRevision = Math.max(durableRevision, next.revision);
    unsavedSinceMs = undefined;
  }

  async function saveIfMoved(): Promise<void> {
    if (placeOf(durableRevision) < placeOf(record.revision)) await saveNow(record);
  }

  async function saveNow(next: SagaRecord): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await save(next);
        return isDurable(next);
      } catch (error) {
        if (error instanceof SagaFenced) throw error;
        log.warn('saga progress could not be written, will be repeated', { saga: next.id, attempt, error });
      }
      await pause(backoff(retryDefaults, attempt));
    }
  }

  function saveBehind(): void {
    if (saving || unsavedSinceMs === undefined) return;
    const written = record;
    saving = true;
    unsavedSinceMs = undefined;
    save(written).then(
      () => {
        saving = false;
        durableRevision = Math.max(durableRevision, written.revision);
      },
      (error: unknown) => {
        saving = false;
        // Nothing is lost by a failure: the next write carries the whole record, and recovery repeats from an older one.
        if (!(error instanceof SagaFenced)) unsavedSinceMs ??= clock.monotonicMs();
        // Refused for a token from before we took the saga again ourselves: no reason to leave it.
        else if (written.fence === record.fence && !isEnded(record)) letGo(error);
      },
    );
  }

  function letGo(reason: Error): void {
    left ??= reason;
    interrupt?.(left);
  }

  function tell(saga: SagaRecord, entry: JournalEntry): void {
    try {
      onStep(saga, entry);
    } catch (error) {
      log.error('onStep of a saga engine failed', { saga: saga.id, error });
    }
  }

  return {
    get record() {
      return record;
    },
    get left() {
      return left;
    },
    get pausing() {
      return pausing;
    },
    get unsavedSinceMs() {
      return saving ? undefined : unsavedSinceMs;
    },
    async drive() {
      while (record.status === 'running' && record.wakeAfterMs === undefined) await forward();
      while (record.status === 'compensating') await backward();
    },
    saveBehind,
    letGo,
  };
}

/** An error that no repeat can turn into success. */
function isDefinite(error: unknown): boolean {
  const { retry, category } = (error ?? {}) as { retry?: unknown; category?: unknown };
  return retry === 'never' && category !== 'internal' && category !== 'timeout' && category !== 'unavailable';
}

function refusalOf(error: unknown): Refusal {
  const { code, message, data } = error as { code?: string; message?: string; data?: unknown };
  return {
    reason: code ?? 'refused',
    ...(message === undefined ? {} : { detail: message }),
    ...(data === undefined ? {} : { data }),
  };
}

function describe(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 500);
}
