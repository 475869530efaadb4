import { type Database, type Logger, sleepOn, systemWorld, type Timers, type Transaction } from '#kit/runtime';
import { CommitOutcomeUnknown } from '#kit/store';
import {
  createSagaEngine,
  insertSagas,
  inspectSaga,
  isEnded,
  type SagaDefinition,
  type SagaEngine,
  SagaFenced,
  type SagaRecord,
  writeSagas,
} from '../index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const never = new Promise<never>(() => {});

/** A moment of a node at which something can happen to it: just before or just after a call or a write. */
export interface Moment {
  readonly index: number;
  /** `before run:a`, `after save`, … */
  readonly what: string;
}

/** What happens at a moment. `lose`: the call or write has its effect, but its answer is lost. */
export type Fate = 'kill' | 'lose' | 'stall' | undefined;

/** One engine in a process of its own, as far as that can be had within one: killed, it does nothing any more. */
export interface Node {
  readonly engine: SagaEngine;
  readonly owner: string;
  readonly moments: readonly string[];
  /** Resolves when it was killed. */
  readonly dead: Promise<void>;
  /** Resolves when it stalls; `wake` lets it go on. */
  readonly stalled: Promise<void>;
  wake(): void;
  kill(): void;
  /** Resolves when nothing that it had begun is under way any more: what was sent before the end still arrives. */
  quiet(): Promise<void>;
  /** Runs `work` between two moments. */
  at<T>(what: string, work: () => Promise<T>): Promise<T>;
}

export interface NodeOptions {
  readonly owner: string;
  readonly database: Database;
  // biome-ignore lint/suspicious/noExplicitAny: definitions of different inputs stand side by side here
  readonly define: (node: Pick<Node, 'at'>) => readonly SagaDefinition<any>[];
  readonly fate?: (moment: Moment) => Fate;
  readonly saveAfterMs?: number;
  readonly leaseMs?: number;
  readonly activeMax?: number;
  readonly save?: (progress: SagaRecord) => Promise<void>;
  readonly log?: Logger;
}

export function createNode(options: NodeOptions): Node {
  const { owner, database, define, fate = () => undefined } = options;
  const moments: string[] = [];
  const underWay = new Set<Promise<unknown>>();
  const death = Promise.withResolvers<void>();
  const stall = Promise.withResolvers<void>();
  const waking = Promise.withResolvers<void>();
  let dead = false;
  let asleep = false;

  function kill(): void {
    dead = true;
    death.resolve();
  }

  async function moment(what: string): Promise<void> {
    if (dead) return never;
    const index = moments.push(what) - 1;
    const end = fate({ index, what });
    if (end === 'kill') kill();
    if (end === 'stall') {
      asleep = true;
      stall.resolve();
    }
    // All of the process stalls, whatever else it has under way.
    if (asleep) await waking.promise;
    if (dead) return never;
    if (end === 'lose') throw new CommitOutcomeUnknown(owner, `lost ${what}`);
  }

  async function at<T>(what: string, work: () => Promise<T>): Promise<T> {
    await moment(`before ${what}`);
    const result = work();
    underWay.add(result);
    try {
      await result;
    } finally {
      underWay.delete(result);
    }
    await moment(`after ${what}`);
    return result;
  }

  const alive = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) return never;
    const result = await work();
    return dead ? never : result;
  };
  const ownDatabase: Database = {
    ...database,
    query: (text, values) => alive(() => database.query(text, values)) as never,
    transaction: (work, settings) => alive(() => database.transaction(work, settings)),
  };
  const after: Timers['after'] = (delayMs, task) => world.timers.after(delayMs, () => dead || task());
  const timers: Timers = {
    after,
    sleep: (delayMs, signal) => sleepOn({ after }, delayMs, signal),
    every: (periodMs, task) => world.timers.every(periodMs, () => (dead ? undefined : task())),
    soon: (task) => world.timers.soon(() => dead || task()),
  };
  const node = { at };
  const engine = createSagaEngine({
    owner,
    database: ownDatabase,
    clock: world.clock,
    timers,
    random: world.random,
    log: options.log ?? quiet,
    definitions: define(node),
    save: options.save ?? ((progress) => at('save', () => saveProgress(database, progress))),
    leaseMs: options.leaseMs ?? 60_000,
    saveAfterMs: options.saveAfterMs ?? 1,
    ...(options.activeMax === undefined ? {} : { activeMax: options.activeMax }),
  });
  return {
    engine,
    owner,
    moments,
    dead: death.promise,
    stalled: stall.promise,
    wake() {
      asleep = false;
      waking.resolve();
    },
    kill,
    quiet: async () => void (await Promise.allSettled(underWay)),
    at,
  };
}

export async function saveProgress(database: Database, progress: SagaRecord): Promise<void> {
  const [written] = await database.transaction((tx) => writeSagas(tx, [progress]));
  if (written === 'fenced') throw new SagaFenced(progress.id);
}

/** An effect in the service's own database, with the progress of its saga: one fact. */
export function recordEffect(database: Database, name: string, progress: SagaRecord): Promise<void> {
  return database.transaction(async (tx) => {
    const [written] = await writeSagas(tx, [progress]);
    if (written === 'fenced') throw new SagaFenced(progress.id);
    if (written === 'written') await insertEffect(tx, progress.id, name);
  });
}

export async function insertEffect(tx: Transaction, saga: string, name: string): Promise<void> {
  await tx.query('insert into effect (saga, name) values ($1, $2)', [saga, name]);
}

export async function accept(database: Database, record: SagaRecord): Promise<void> {
  await database.transaction((tx) => insertSagas(tx, [record]));
}

/** Another service: idempotent by key; what was undone, done before or not, can not be done any more. */
export interface RemoteService {
  /**
   * Rejects with a definite refusal where the step is one that refuses, or was undone. `expires`: what was done is gone
   * when it is asked for again, like a hold on stock.
   */
  act(key: string, refuse: boolean, expires?: boolean): Promise<string>;
  undo(key: string): Promise<void>;
  /** How often each key had its effect. */
  readonly effects: ReadonlyMap<string, number>;
  /** Keys whose effect stands. */
  standing(): string[];
}

export function createRemoteService(options: { readonly tombstones?: boolean } = {}): RemoteService {
  const effects = new Map<string, number>();
  const state = new Map<string, 'done' | 'refused' | 'undone'>();
  return {
    effects,
    async act(key, refuse, expires = false) {
      if (expires && state.get(key) === 'done') state.set(key, 'undone');
      const before = state.get(key) ?? (refuse ? 'refused' : undefined);
      if (before === 'refused' || before === 'undone') {
        state.set(key, before);
        throw Object.assign(new Error(`${key} is ${before}`), { code: before, category: 'conflict', retry: 'never' });
      }
      if (before === undefined) effects.set(key, (effects.get(key) ?? 0) + 1);
      state.set(key, 'done');
      return `result of ${key}`;
    },
    async undo(key) {
      if (state.has(key) || options.tombstones !== false) state.set(key, 'undone');
    },
    standing: () => [...state].flatMap(([key, is]) => (is === 'done' ? [key] : [])),
  };
}

/** What `forget` does a lease's time later: nobody believes any more that the owner lives. */
export async function forgetOwner(database: Database, owner: string): Promise<void> {
  await database.query('delete from saga_owner where owner = $1', [owner]);
}

/** The saga once it has ended or got stuck. */
export async function untilSettled(database: Database, id: string): Promise<SagaRecord> {
  for (;;) {
    const saga = await inspectSaga(database, id);
    if (saga && (isEnded(saga) || saga.status === 'stuck')) return saga;
    await world.timers.sleep(2);
  }
}
