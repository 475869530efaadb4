import type { Cancel, Clock, Component, Database, Logger, Random, Timers } from '#kit/runtime';
import {
  pivotOf,
  type Refusal,
  type SagaDefinition,
  type Step,
  type StepContext,
  type StepOutcome,
  type WaitStep,
} from './definition.ts';
import {
  asleep,
  isEnded,
  type JournalEntry,
  newSaga,
  noted,
  refusedFor,
  type SagaRecord,
  stepCompensated,
  stepDone,
  stuckFor,
  turnRound,
} from './record.ts';
import { adoptSagas, releaseOwner, renewOwner, SagaFenced, takeOverSagas } from './store.ts';

export interface SagaEngineOptions {
  /** Unique for this run of this process: a restarted process is someone else. */
  readonly owner: string;
  readonly database: Database;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  // biome-ignore lint/suspicious/noExplicitAny: definitions of different inputs stand side by side here
  readonly definitions: readonly SagaDefinition<any>[];
  /**
   * Writes progress durably (`writeSagas` in a transaction of the service's batch writer) and rejects with `SagaFenced`
   * when the saga belongs to someone else.
   */
  readonly save: (progress: SagaRecord) => Promise<void>;
  /** Others take this instance's sagas over when its lease was not renewed for so long. Default 5,000 ms. */
  readonly leaseMs?: number;
  /** Sagas under way in this process; `canStart` is false beyond, and takeover waits. Default 10,000. */
  readonly activeMax?: number;
  /** Progress between steps is written behind, once a saga has stood at a step for so long. Default 25 ms. */
  readonly saveAfterMs?: number;
  /** Told of each step's end, for traces and metrics. */
  readonly onStep?: (saga: SagaRecord, entry: JournalEntry) => void;
}

/**
 * Runs sagas in the process that accepted them, and takes over those of instances that died.
 *
 * Progress is durable where it must be: with the accepting transaction, with every local step, before the first
 * compensation, and at the end. Between remote steps it is written behind: a saga taken over from an older record
 * repeats steps whose keys make the repeat harmless, and under load most of those writes never happen.
 */
export interface SagaEngine {
  readonly component: Component;
  readonly owner: string;
  /** False when too many sagas are under way: refuse new work early. */
  readonly canStart: boolean;
  readonly active: number;
  create<Input>(definition: SagaDefinition<Input>, id: string, input: Input): SagaRecord;
  /** Runs a saga whose record has just been committed. Resolves when it has ended, got stuck or was taken over. */
  run(record: SagaRecord): Promise<SagaRecord>;
  /** The saga as this process knows it, or undefined if it runs elsewhere. */
  peek(id: string): SagaRecord | undefined;
  /** Resolves when the saga that runs in this process ends; undefined if none does. */
  ended(id: string): Promise<SagaRecord> | undefined;
}

interface ActiveSaga {
  record: SagaRecord;
  /** When progress was made that is not written yet; undefined when all is. */
  unsavedSinceMs: number | undefined;
  saving: Promise<void>;
  readonly end: Promise<SagaRecord>;
}

const takeOverMax = 100;
const retryDefaults = { delayMs: 50, delayMsMax: 10_000, giveUpAfterMs: 15 * 60_000 };
const stepTimeoutMsDefault = 5_000;

export function createSagaEngine(options: SagaEngineOptions): SagaEngine {
  const { owner, database, clock, timers, random, log, save, onStep } = options;
  const { leaseMs = 5_000, activeMax = 10_000, saveAfterMs = 25 } = options;
  const definitions = new Map(options.definitions.map((definition) => [nameOf(definition), definition]));
  const active = new Map<string, ActiveSaga>();
  const stopping = new AbortController();
  let cancels: Cancel[] = [];

  function nameOf(saga: { readonly name: string; readonly version: number }): string {
    return `${saga.name}@${saga.version}`;
  }

  function definitionOf(record: SagaRecord): SagaDefinition {
    const definition = definitions.get(`${record.definition}@${record.version}`);
    if (!definition) throw new Error(`saga ${record.id}: ${record.definition}@${record.version} is not known here`);
    return definition;
  }

  function run(record: SagaRecord): Promise<SagaRecord> {
    const known = active.get(record.id);
    if (known) return known.end;
    const { promise, resolve } = Promise.withResolvers<SagaRecord>();
    const saga: ActiveSaga = { record, unsavedSinceMs: undefined, saving: Promise.resolve(), end: promise };
    active.set(record.id, saga);
    drive(saga)
      .catch((error: unknown) => {
        if (error instanceof SagaFenced) log.info('saga taken over by another instance', { saga: record.id });
        else if (!stopping.signal.aborted) log.error('saga left to recovery', { saga: record.id, error });
      })
      .finally(() => {
        active.delete(record.id);
        resolve(saga.record);
      });
    return promise;
  }

  async function drive(saga: ActiveSaga): Promise<void> {
    const definition = definitionOf(saga.record);
    while (saga.record.status === 'running' && saga.record.wakeAfterMs === undefined) await forward(saga, definition);
    while (saga.record.status === 'compensating') await backward(saga, definition);
  }

  async function forward(saga: ActiveSaga, definition: SagaDefinition): Promise<void> {
    const step = definition.steps[saga.record.step] as Step<unknown>;
    const pivot = pivotOf(definition as SagaDefinition<never>);
    const pastPivot = saga.record.step > pivot;
    if (step.kind === 'wait') return wait(saga, definition, step);
    const startMs = clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      const attempted = await attemptStep(saga, definition, step, attempt);
      const entry = (event: JournalEntry['event'], detail?: string): JournalEntry => ({
        step: step.name,
        event,
        at: clock.now(),
        attempts: attempt,
        durationMs: Math.round((clock.monotonicMs() - startMs) * 10) / 10,
        ...(detail === undefined ? {} : { detail }),
      });
      if ('done' in attempted) {
        const journalEntry = entry('done');
        // A local step has written this very progress in its own transaction.
        const next = stepDone(saga.record, step.name, definition.steps.length, attempted.done, journalEntry);
        onStep?.(next, journalEntry);
        if (step.kind === 'local') {
          saga.record = next;
          saga.unsavedSinceMs = undefined;
        } else await advance(saga, next);
        return;
      }
      if ('refused' in attempted) {
        const journalEntry = entry('refused', attempted.refused.reason);
        onStep?.(saga.record, journalEntry);
        if (pastPivot) {
          log.error('saga stuck: a step past the pivot was refused', {
            saga: saga.record.id,
            step: step.name,
            refusal: attempted.refused,
          });
          await saveNow(saga, stuckFor(saga.record, attempted.refused, { ...journalEntry, event: 'failed' }));
        } else
          await saveNow(
            saga,
            turnRound(saga.record, attempted.refused, { includeCurrent: false, pivot }, journalEntry),
          );
        return;
      }
      const { giveUpAfterMs, ...retry } = { ...retryDefaults, ...step.retry };
      if (!pastPivot && step.kind === 'remote' && clock.monotonicMs() - startMs > giveUpAfterMs) {
        const cause = { reason: 'gave-up', detail: `${step.name}: ${describe(attempted.failed)}` };
        await saveNow(
          saga,
          turnRound(saga.record, cause, { includeCurrent: true, pivot }, entry('gave-up', cause.detail)),
        );
        return;
      }
      if (attempt === 1 || attempt % 10 === 0) {
        log.warn('saga step failed, will be repeated', {
          saga: saga.record.id,
          step: step.name,
          attempt,
          error: attempted.failed,
        });
        noteFailure(saga, entry('failed', describe(attempted.failed)));
      }
      await timers.sleep(backoff(retry, attempt), stopping.signal);
    }
  }

  async function wait(saga: ActiveSaga, definition: SagaDefinition, step: WaitStep<unknown>): Promise<void> {
    if (saga.record.results[step.name] === 'waiting') {
      const entry: JournalEntry = { step: step.name, event: 'done', at: clock.now() };
      onStep?.(saga.record, entry);
      await advance(saga, stepDone(saga.record, step.name, definition.steps.length, 'over', entry));
    } else await saveNow(saga, asleep(saga.record, step.name, step.delayMs(saga.record.input)));
  }

  async function attemptStep(
    saga: ActiveSaga,
    definition: SagaDefinition,
    step: Exclude<Step<unknown>, WaitStep<unknown>>,
    attempt: number,
  ): Promise<StepOutcome | { readonly failed: unknown }> {
    const startMs = clock.monotonicMs();
    return withTimeout(saga, step, attempt, (context) => {
      if (step.kind === 'remote') return step.run(context);
      const entry: JournalEntry = {
        step: step.name,
        event: 'done',
        at: clock.now(),
        attempts: attempt,
        durationMs: clock.monotonicMs() - startMs,
      };
      return step.run(context, stepDone(saga.record, step.name, definition.steps.length, undefined, entry));
    });
  }

  async function backward(saga: ActiveSaga, definition: SagaDefinition): Promise<void> {
    if (saga.record.step < 0) {
      const progress = refusedFor(saga.record);
      const cause: Refusal = saga.record.cause ?? { reason: 'unknown' };
      const refused = definition.onRefused;
      if (refused) {
        const last = { name: 'refused', kind: 'local' } as const;
        for (let attempt = 1; ; attempt++) {
          const tried = await withTimeout(saga, last, attempt, async (context) => {
            await refused(context, cause, progress);
            return { done: undefined };
          });
          if ('done' in tried) break;
          await timers.sleep(backoff(retryDefaults, attempt), stopping.signal);
        }
        saga.record = progress;
        saga.unsavedSinceMs = undefined;
      } else await saveNow(saga, progress);
      return;
    }
    const step = definition.steps[saga.record.step] as Step<unknown>;
    const { compensate } = step;
    if (!compensate) {
      saga.record = stepCompensated(saga.record, undefined);
      return;
    }
    const startMs = clock.monotonicMs();
    for (let attempt = 1; ; attempt++) {
      const tried = await withTimeout(saga, step, attempt, async (context) => {
        await compensate(context);
        return { done: undefined };
      });
      if ('done' in tried) {
        const entry: JournalEntry = {
          step: step.name,
          event: 'compensated',
          at: clock.now(),
          attempts: attempt,
          durationMs: Math.round(clock.monotonicMs() - startMs),
        };
        onStep?.(saga.record, entry);
        await advance(saga, stepCompensated(saga.record, entry));
        return;
      }
      if ('failed' in tried && isDefinite(tried.failed)) {
        // Nobody can undo this by repeating it: people must look.
        const detail = describe(tried.failed);
        log.error('saga stuck: a compensation was refused', {
          saga: saga.record.id,
          step: step.name,
          error: tried.failed,
        });
        const entry: JournalEntry = { step: step.name, event: 'failed', at: clock.now(), attempts: attempt, detail };
        await saveNow(
          saga,
          stuckFor(saga.record, saga.record.cause ?? { reason: 'compensation-failed', detail }, entry),
        );
        return;
      }
      if (attempt === 1)
        log.warn('saga compensation failed, will be repeated', {
          saga: saga.record.id,
          step: step.name,
          error: (tried as { failed: unknown }).failed,
        });
      await timers.sleep(backoff({ ...retryDefaults, ...step.retry }, attempt), stopping.signal);
    }
  }

  /** Runs one attempt under its time limit. Definite refusals become outcomes; everything else may be tried again. */
  async function withTimeout(
    saga: ActiveSaga,
    step: Pick<Step<unknown>, 'name' | 'timeoutMs'> & { readonly kind: string },
    attempt: number,
    work: (context: StepContext) => Promise<StepOutcome>,
  ): Promise<StepOutcome | { readonly failed: unknown }> {
    stopping.signal.throwIfAborted();
    const timeoutMs = step.timeoutMs ?? stepTimeoutMsDefault;
    const abort = new AbortController();
    const expired = Promise.withResolvers<never>();
    const cancel = timers.after(timeoutMs, () => {
      const error = new Error(`step ${step.name} took over ${timeoutMs} ms`);
      abort.abort(error);
      expired.reject(error);
    });
    const context: StepContext = {
      sagaId: saga.record.id,
      input: saga.record.input,
      results: saga.record.results,
      key: `${saga.record.id}:${step.name}`,
      attempt,
      signal: abort.signal,
      timeoutMs,
    };
    try {
      return await Promise.race([work(context), expired.promise]);
    } catch (error) {
      if (error instanceof SagaFenced) throw error;
      const refusal = isDefinite(error) && saga.record.status === 'running' ? refusalOf(error) : undefined;
      return refusal ? { refused: refusal } : { failed: error };
    } finally {
      cancel();
    }
  }

  /** On to the next state; written behind unless it ends the saga. */
  async function advance(saga: ActiveSaga, next: SagaRecord): Promise<void> {
    if (isEnded(next)) return saveNow(saga, next);
    saga.record = next;
    saga.unsavedSinceMs ??= clock.monotonicMs();
  }

  async function saveNow(saga: ActiveSaga, next: SagaRecord): Promise<void> {
    await saga.saving;
    for (let attempt = 1; ; attempt++) {
      try {
        await save(next);
        saga.record = next;
        saga.unsavedSinceMs = undefined;
        return;
      } catch (error) {
        if (error instanceof SagaFenced) throw error;
        log.warn('saga progress could not be written, will be repeated', { saga: next.id, attempt, error });
        await timers.sleep(backoff(retryDefaults, attempt), stopping.signal);
      }
    }
  }

  function noteFailure(saga: ActiveSaga, entry: JournalEntry): void {
    saga.record = noted(saga.record, entry);
    saga.unsavedSinceMs ??= clock.monotonicMs();
    onStep?.(saga.record, entry);
  }

  function saveBehind(): void {
    const nowMs = clock.monotonicMs();
    for (const saga of active.values()) {
      if (saga.unsavedSinceMs === undefined || nowMs - saga.unsavedSinceMs < saveAfterMs) continue;
      saga.unsavedSinceMs = undefined;
      // A failure here loses nothing: the next write carries the whole record, and recovery repeats from an older one.
      saga.saving = save(saga.record).catch(() => {});
    }
  }

  function backoff(retry: { readonly delayMs: number; readonly delayMsMax: number }, attempt: number): number {
    return random.next() * Math.min(retry.delayMsMax, retry.delayMs * 2 ** Math.min(attempt, 20));
  }

  async function takeOver(): Promise<void> {
    const room = Math.min(takeOverMax, activeMax - active.size);
    if (room <= 0 || stopping.signal.aborted) return;
    goOn(await takeOverSagas(database, owner, [...definitions.keys()], room));
  }

  /** What is ours by the table but was never heard of here: its commit was answered by a broken connection. */
  async function adopt(): Promise<void> {
    const room = Math.min(takeOverMax, activeMax - active.size);
    if (room <= 0 || stopping.signal.aborted) return;
    const limits = { idleMs: leaseMs, max: room };
    goOn(await adoptSagas(database, owner, [...active.keys()], [...definitions.keys()], limits));
  }

  function goOn(orphans: readonly SagaRecord[]): void {
    for (const orphan of orphans) {
      log.info('saga taken over', { saga: orphan.id, step: orphan.step, fence: orphan.fence });
      const entry: JournalEntry = {
        step: definitionOf(orphan).steps[orphan.step]?.name ?? '',
        event: 'taken-over',
        at: clock.now(),
        detail: owner,
      };
      void run(noted(orphan, entry));
    }
  }

  const quietly = (what: string, work: () => Promise<void>) => async () => {
    try {
      await work();
    } catch (error) {
      log.warn(`saga ${what} failed, will be repeated`, { owner, error });
    }
  };

  return {
    owner,
    get canStart() {
      return active.size < activeMax && !stopping.signal.aborted;
    },
    get active() {
      return active.size;
    },
    create: (definition, id, input) => newSaga(definition, id, input, owner),
    run,
    peek: (id) => active.get(id)?.record,
    ended: (id) => active.get(id)?.end,
    component: {
      name: `sagas of ${owner}`,
      async start() {
        await renewOwner(database, owner, leaseMs);
        await takeOver();
        cancels = [
          timers.every(
            leaseMs / 3,
            quietly('lease renewal', () => renewOwner(database, owner, leaseMs)),
          ),
          timers.every(leaseMs / 4, quietly('takeover', takeOver)),
          timers.every(leaseMs, quietly('adoption', adopt)),
          timers.every(saveAfterMs, saveBehind),
        ];
      },
      async drain() {
        await Promise.all([...active.values()].map((saga) => saga.end));
      },
      async stop() {
        stopping.abort(new Error('the saga engine has stopped'));
        for (const cancel of cancels) cancel();
        await releaseOwner(database, owner);
      },
    },
  };
}

/** An error that no repeat can turn into success. */
function isDefinite(error: unknown): boolean {
  const { retry, category } = error as { retry?: unknown; category?: unknown };
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
