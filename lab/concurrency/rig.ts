import pg from 'pg';
import { createIds, type Database, type Logger, type Random, seededRandom, type World } from '#kit/runtime';
import { createDatabase, type ExecuteSql, type Migrations, migrate } from '#kit/store';
import type { Rewrite } from '../simulator/bugs/rewire.ts';
import { type Counts, newCounts } from './counts.ts';
import type { Parts } from './parts.ts';
import { createScheduler, type Lane, type Scheduler } from './scheduler.ts';
import { createExecute, createSession, retryTimers } from './session.ts';

/** A real database with sessions that take turns. */
export interface Rig {
  readonly scheduler: Scheduler;
  /** Asks without waiting for a turn: to set a round up, and to look at what it left. */
  readonly plain: Database;
  readonly url: string;
  beginRound(options: RoundOptions): Round;
  /** Statements that a planted bug has changed so far. */
  readonly rewritten: number;
  empty(tables: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

interface Extra {
  readonly name: string;
  readonly clients: pg.Client[];
}

interface RoundOptions {
  readonly seed: string;
  readonly number: number;
  readonly parts: Parts;
  readonly rewrite: Rewrite | undefined;
}

export interface Violation {
  readonly promise: string;
  readonly detail: string;
}

/** One process of the system under test: a clock and timers of its own, and as many sessions as it opens. */
export interface LabProcess {
  readonly world: World;
  open(): Promise<Database>;
}

/** One try: a fresh set of rows, some sessions, a schedule drawn from the seed. */
export interface Round {
  readonly random: Random;
  readonly plain: Database;
  readonly url: string;
  /** Production's functions, or what a planted bug has put in place of one. */
  readonly parts: Parts;
  readonly counts: Counts;
  readonly violations: readonly Violation[];
  readonly seed: string;
  /** Counted from 1. */
  readonly number: number;
  /** What was seen besides, counted by name. */
  readonly facts: Readonly<Record<string, number>>;
  note(fact: string, count?: number): void;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  pick<T>(items: readonly T[]): T;
  chance(probability: number): boolean;
  process(name: string): LabProcess;
  /** A new, empty database, gone when the rig is closed. */
  database(): Promise<string>;
  /** A plain connection to it that takes turns. */
  execute(name: string, url: string): Promise<ExecuteSql>;
  /** Runs all to their end under the scheduler. What a program throws is a violation: it had to deal with it. */
  run(programs: readonly (() => Promise<void>)[]): Promise<void>;
  /** Resolves when the session of this process waits for a lock; see `Scheduler`. */
  untilBlocked(name: string): Promise<void>;
  violate(promise: string, detail: string): void;
}

export interface RigOptions {
  /** An empty database, as a superuser; its sessions see `deadlock_timeout` lowered. */
  readonly url: string;
  readonly world: World;
  readonly migrations: readonly Migrations[];
}

export const labMigrations: Migrations = { directory: `${import.meta.dirname}/schema`, table: 'schema_lab' };

const sessionsMax = 64;
/** The server looks for deadlocks after this: by default a second, which is long for a test. */
const deadlockTimeoutMs = 15;
const statementTimeoutMs = 120_000;

export const quietLog: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quietLog };

const blockedSql = `
  select application_name as name from pg_stat_activity
  where application_name = any ($1::text[]) and cardinality(pg_blocking_pids(pid)) > 0`;

export async function createRig({ url, world, migrations }: RigOptions): Promise<Rig> {
  await migrate(url, [...migrations, labMigrations]);
  const long = { statementTimeoutMs, lockTimeoutMs: statementTimeoutMs, idleTransactionTimeoutMs: statementTimeoutMs };
  const open = (name: string, timers = world.timers) =>
    createDatabase({ ...world, ...long, url, name, timers, log: quietLog, connectionsMax: name === 'plain' ? 4 : 1 });
  const plain = open('plain');
  const observer = open('observer');
  const databaseName = new URL(url).pathname.slice(1);
  await plain.query(`alter database ${databaseName} set deadlock_timeout = '${deadlockTimeoutMs}ms'`);
  const scheduler = createScheduler({ ...world, findBlocked });
  const sessions: { readonly lane: Lane; readonly database: Database; readonly session: Database }[] = [];
  const extras: Extra[] = [];
  let rewrite: Rewrite | undefined;
  let rewritten = 0;
  let used = 0;

  async function findBlocked(names: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await observer.query<{ name: string }>(blockedSql, [names.map((name) => `holdfast ${name}`)]);
    return new Set(rows.map((row) => row.name.slice('holdfast '.length)));
  }

  async function nextSession(title: string): Promise<Database> {
    if (used >= sessionsMax) throw new Error(`a round wants more than ${sessionsMax} sessions`);
    let entry = sessions[used];
    if (!entry) {
      // Other rigs may be at work on the same server.
      const lane = scheduler.addLane(`${databaseName} s${used}`);
      const database = open(lane.name, retryTimers(world.timers, lane));
      // Connecting is no part of what is looked at.
      await database.query('select 1');
      const session = createSession({ lane, database, counts: () => scheduler.counts, rewrite: () => rewrite });
      entry = { lane, database, session };
      sessions.push(entry);
    }
    used += 1;
    entry.lane.title = title;
    return entry.session;
  }

  async function addDatabase(): Promise<string> {
    const name = `${databaseName}_x${extras.length}`;
    await plain.query(`create database ${name}`);
    const extra = new URL(url);
    extra.pathname = `/${name}`;
    extras.push({ name, clients: [] });
    return extra.href;
  }

  async function openExecute(title: string, extraUrl: string): Promise<ExecuteSql> {
    const extra = extras.find(({ name }) => extraUrl.endsWith(`/${name}`)) as Extra;
    const lane = scheduler.addLane(`${extra.name} c${extra.clients.length}`);
    lane.title = title;
    const client = new pg.Client({ connectionString: extraUrl, application_name: `holdfast ${lane.name}` });
    extra.clients.push(client);
    await client.connect();
    return createExecute(lane, client, scheduler);
  }

  async function dropExtras(): Promise<void> {
    for (const { name, clients } of extras) {
      await Promise.all(clients.map((client) => client.end()));
      await plain.query(`drop database ${name}`);
    }
  }

  return {
    scheduler,
    plain,
    url,
    get rewritten() {
      return rewritten;
    },
    async empty(tables) {
      if (tables.length > 0) await plain.query(`truncate ${tables.join(', ')} cascade`);
    },
    beginRound(options) {
      used = 0;
      const { rewrite: spoil } = options;
      rewrite =
        spoil &&
        ((text, values) => {
          const other = spoil(text, values);
          if (other) rewritten += 1;
          return other;
        });
      return createRound(options);
    },
    async close() {
      await dropExtras();
      await Promise.all([...sessions.map(({ database }) => database.close()), plain.close(), observer.close()]);
    },
  };

  function createRound({ seed, number, parts }: RoundOptions): Round {
    const random = seededRandom(seed, 'workload');
    const violations: Violation[] = [];
    const violate = (promise: string, detail: string) => void violations.push({ promise, detail });
    const between = (min: number, max: number) => min + Math.floor(random.next() * (max - min + 1));
    let counts = newCounts();

    function process(name: string): LabProcess {
      const { clock, timers } = scheduler.addProcess(name);
      const own = seededRandom(seed, `process ${name}`);
      let opened = 0;
      return {
        world: { clock, timers, random: own, ids: createIds(clock, own), log: quietLog },
        open() {
          opened += 1;
          return nextSession(opened === 1 ? name : `${name}/${opened}`);
        },
      };
    }

    const facts: Record<string, number> = {};
    return {
      seed,
      number,
      facts,
      note(fact, count = 1) {
        facts[fact] = (facts[fact] ?? 0) + count;
      },
      random,
      plain,
      url,
      parts,
      violations,
      get counts() {
        return counts;
      },
      between,
      pick: (items) => items[between(0, items.length - 1)] as never,
      chance: (probability) => random.next() < probability,
      process,
      database: addDatabase,
      execute: openExecute,
      untilBlocked: scheduler.untilBlocked,
      violate,
      async run(programs) {
        const guarded = programs.map((program) => async () => {
          try {
            await program();
          } catch (error) {
            violate('nothing fails unexpectedly', describe(error));
          }
        });
        await scheduler.drive(seededRandom(seed, 'schedule'), guarded);
        counts = scheduler.counts;
      },
    };
  }
}

function describe(error: unknown): string {
  const { code, message, constraint, stack } = error as Record<string, string | undefined>;
  const place = stack?.split('\n').find((line) => /\/(kit|services|lab)\//.test(line)) ?? '';
  return [code, message, constraint && `(${constraint})`, place.trim()].filter(Boolean).join(' ');
}
