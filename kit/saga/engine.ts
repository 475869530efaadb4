import {
  type Cancel,
  type Clock,
  type Component,
  type Database,
  type Logger,
  quietly,
  type Random,
  type Timers,
} from '#kit/runtime';
import type { SagaDefinition } from './definition.ts';
import { type JournalEntry, newSaga, noted, type SagaRecord } from './record.ts';
import { createRun, type RunOptions, type SagaRun } from './run.ts';
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
  /**
   * Others take this instance's sagas over when its lease was not renewed for so long. Shorter recovers sooner from a
   * crash, longer bears longer pauses without doing work twice. Correctness does not depend on it. Default 5,000 ms.
   */
  readonly leaseMs?: number;
  /** Sagas under way in this process; `canStart` is false beyond, and takeover waits. Default 10,000. */
  readonly activeMax?: number;
  /**
   * Progress between steps is written behind, once a saga has stood at a step for so long. Longer saves writes, shorter
   * repeats less after a crash. Default 1,000 ms.
   */
  readonly saveAfterMs?: number;
  /** Told of each step's end, for traces and metrics. */
  readonly onStep?: (saga: SagaRecord, entry: JournalEntry) => void;
}

/**
 * Runs sagas in the process that accepted them, and takes over those of instances that died.
 *
 * Progress is durable where it must be: with the accepting transaction, with every local step, before and after a remote
 * pivot, before the first compensation, and at the end. Between remote steps it is written behind: a saga taken over from
 * an older record repeats steps whose keys make the repeat harmless, and under load most of those writes never happen.
 *
 * Leases decide who works, fencing tokens decide whose work counts: two owners at once, which no lease can rule out, may
 * both call other services (with the same keys), but only one can write.
 */
export interface SagaEngine {
  readonly component: Component;
  readonly owner: string;
  /** False when too many sagas are under way, or the engine drains: refuse new work early. */
  readonly canStart: boolean;
  readonly active: number;
  create<Input>(definition: SagaDefinition<Input>, id: string, input: Input): SagaRecord;
  /**
   * Runs a saga whose record has just been committed. Resolves when it has ended, got stuck, fell asleep or was left to
   * another instance (see its status); never rejects.
   */
  run(record: SagaRecord): Promise<SagaRecord>;
  /** The saga as this process knows it, or undefined if it runs elsewhere. */
  peek(id: string): SagaRecord | undefined;
  /** Resolves when the saga that runs in this process ends; undefined if none does. */
  ended(id: string): Promise<SagaRecord> | undefined;
}

interface ActiveSaga {
  run: SagaRun;
  /** The saga was taken again by this very process, from what the database says: goes on once `run` has let go. */
  successor: SagaRecord | undefined;
  readonly end: Promise<SagaRecord>;
}

/** Sagas taken over in one statement. */
const takeOverMax = 100;

export function createSagaEngine(options: SagaEngineOptions): SagaEngine {
  const { owner, database, clock, timers, random, log, save, onStep = () => {} } = options;
  const { leaseMs = 5_000, activeMax = 10_000, saveAfterMs = 1_000 } = options;
  const ownLog = log.with({ owner });
  const runOptions: RunOptions = { database, clock, timers, random, log, save, onStep, leaving: () => draining };
  const definitions = new Map(options.definitions.map((definition) => [nameOf(definition), definition]));
  const known = [...definitions.keys()];
  const active = new Map<string, ActiveSaga>();
  let draining: Error | undefined;
  let stopped: Error | undefined;
  let cancels: Cancel[] = [];

  function nameOf(saga: { readonly name: string; readonly version: number }): string {
    return `${saga.name}@${saga.version}`;
  }

  function definitionOf(record: SagaRecord): SagaDefinition {
    const definition = definitions.get(`${record.definition}@${record.version}`);
    if (!definition) throw new Error(`saga ${record.id}: ${record.definition}@${record.version} is not known here`);
    return definition;
  }

  function run(record: SagaRecord, durableRevision: number = record.revision): Promise<SagaRecord> {
    const other = active.get(record.id);
    if (other) return other.end;
    const { promise, resolve } = Promise.withResolvers<SagaRecord>();
    const saga: ActiveSaga = {
      run: createRun(record, definitionOf(record), runOptions, durableRevision),
      successor: undefined,
      end: promise,
    };
    active.set(record.id, saga);
    if (stopped) saga.run.letGo(stopped);
    void driveToEnd(saga).then(() => {
      active.delete(record.id);
      resolve(saga.run.record);
    });
    return promise;
  }

  async function driveToEnd(saga: ActiveSaga): Promise<void> {
    for (;;) {
      const { id } = saga.run.record;
      try {
        await saga.run.drive();
      } catch (error) {
        if (error instanceof SagaFenced) log.info('saga belongs to another instance now', { saga: id });
        else if (error !== stopped && error !== draining) log.error('saga left to recovery', { saga: id, error });
        if (error === draining && !stopped) await save(saga.run.record).catch(() => {});
      }
      if (!saga.successor) return;
      saga.run = createRun(saga.successor, definitionOf(saga.successor), runOptions);
      saga.successor = undefined;
      if (stopped) saga.run.letGo(stopped);
    }
  }

  function saveBehind(): void {
    const nowMs = clock.monotonicMs();
    for (const { run: saga } of active.values()) {
      if (saga.unsavedSinceMs !== undefined && nowMs - saga.unsavedSinceMs >= saveAfterMs) saga.saveBehind();
    }
  }

  /** Sagas whose owner's lease has ended, or that have none. */
  function takeOver(): Promise<void> {
    return takeAll((max) => takeOverSagas(database, owner, known, max));
  }

  /** What is ours by the table but was never heard of here: its commit was answered by a broken connection. */
  function adopt(): Promise<void> {
    return takeAll((max) => adoptSagas(database, owner, [...active.keys()], known, { idleMs: leaseMs, max }));
  }

  async function takeAll(take: (max: number) => Promise<readonly SagaRecord[]>): Promise<void> {
    for (;;) {
      const room = Math.min(takeOverMax, activeMax - active.size);
      if (room <= 0 || draining) return;
      const taken = await take(room);
      for (const saga of taken) goOn(saga);
      if (taken.length < room) return;
    }
  }

  function goOn(taken: SagaRecord): void {
    log.info('saga taken over', { saga: taken.id, step: taken.step, fence: taken.fence });
    const step = definitionOf(taken).steps[taken.step]?.name ?? '';
    const record = noted(taken, { step, event: 'taken-over', at: clock.now(), detail: owner });
    const own = active.get(taken.id);
    if (own) {
      // Our lease had ended while we worked on it. What we knew may be wrong by now; what the database says is not.
      own.successor = record;
      own.run.letGo(new SagaFenced(taken.id));
    } else void run(record, taken.revision);
  }

  return {
    owner,
    get canStart() {
      return active.size < activeMax && !draining;
    },
    get active() {
      return active.size;
    },
    create: (definition, id, input) => newSaga(definition, id, input, owner),
    run: (record) => run(record),
    peek: (id) => active.get(id)?.run.record,
    ended: (id) => active.get(id)?.end,
    component: {
      name: `sagas of ${owner}`,
      async start() {
        await renewOwner(database, owner, leaseMs);
        await takeOver();
        cancels = [
          timers.every(
            leaseMs / 3,
            quietly(ownLog, 'saga lease renewal', () => renewOwner(database, owner, leaseMs)),
          ),
          timers.every(leaseMs / 4, quietly(ownLog, 'saga takeover', takeOver)),
          timers.every(leaseMs, quietly(ownLog, 'saga adoption', adopt)),
          timers.every(saveAfterMs, saveBehind),
        ];
      },
      async drain() {
        draining ??= new Error('the saga engine drains');
        for (const saga of active.values()) if (saga.run.pausing) saga.run.letGo(draining);
        await Promise.all([...active.values()].map((saga) => saga.end));
      },
      async stop() {
        stopped ??= new Error('the saga engine has stopped');
        draining ??= stopped;
        for (const cancel of cancels) cancel();
        for (const saga of active.values()) saga.run.letGo(stopped);
        await releaseOwner(database, owner);
      },
    },
  };
}
