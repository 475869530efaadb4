import type { Database, Queryable, Transaction } from '#kit/runtime';
import type { Delivery } from './delivery.ts';
import type { EventEnvelope } from './envelope.ts';
import type { LogRecord } from './log.ts';

/** An event that was taken out of the stream. */
export interface DeadLetter {
  readonly id: number;
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly type: string;
  readonly event: EventEnvelope;
  /** `failed`: the handler could not take it. `parked`: it waits behind an earlier event of its key. */
  readonly status: 'failed' | 'parked';
  readonly cause: string | null;
  readonly stack: string | null;
  readonly attempts: number;
  readonly createdAt: Date;
}

export interface ReplayOutcome {
  /** Letters that were handled and are gone. */
  readonly replayed: number;
  /** Letters of the key that are still there. */
  readonly remaining: number;
  /** Why the replay ended early: the letter that failed again. */
  readonly failed?: { readonly id: number; readonly cause: string };
}

/** Dead letters up to one: what comes while somebody works on them is left for another time. */
export interface LettersThrough {
  /** Of this key alone. */
  readonly key?: string;
  readonly throughId: number;
}

export interface ReplayManyOutcome {
  /** Letters that were handled and are gone. */
  readonly replayed: number;
  /** Letters that failed again, each the first of its key. */
  readonly failed: readonly { readonly id: number; readonly cause: string }[];
  /** There are more: go on after this one. */
  readonly nextAfterId?: number;
}

/** What people can do about dead letters of one group. */
export interface DeadLetters {
  /** Oldest first. `limit` 1 to 100, default 20. */
  list(page?: {
    readonly afterId?: number;
    readonly limit?: number;
    readonly key?: string;
  }): Promise<readonly DeadLetter[]>;
  show(id: number): Promise<DeadLetter | undefined>;
  /** How many there are, and the id of the newest: 0 when there is none. */
  tally(of?: { readonly key?: string }): Promise<{ readonly total: number; readonly lastId: number }>;
  /** Hands the letter's key over again from its first letter on, in order, until none is left or one fails again. */
  replay(id: number): Promise<ReplayOutcome>;
  /** Gives one letter up for good. Those parked behind it wait for a `replay`. */
  discard(id: number): Promise<{ readonly discarded: boolean; readonly remaining: number }>;
  /** As `replay` of each, key by key; a key that fails again holds up no other. Up to 20 keys a call. */
  replayMany(which: LettersThrough & { readonly afterId?: number }): Promise<ReplayManyOutcome>;
  /** Gives up to 1,000 letters up for good, the oldest first. `remaining`: of those that were asked for. */
  discardMany(which: LettersThrough): Promise<{ readonly discarded: number; readonly remaining: number }>;
}

export type PoisonPolicy = 'park' | 'skip';

/** Letters handed over by one call of `replay`. */
const replayMax = 10_000;
/** By one call for many: of a replay, keys; few enough to be done within its deadline. */
const replayKeysMax = 20;
const discardMax = 1_000;
/** Longest cause and stack that are kept, in characters. */
const causeLengthMax = 2_000;
const stackLengthMax = 8_000;

const lockParkedKeysSql = `
  select key from dead_letter_key where group_name = $1 and key = any ($2::text[]) order by key for update`;

const readParkedKeysSql = `select key from dead_letter_key where group_name = $1 and key = any ($2::text[])`;

const insertSql = `
  insert into dead_letter (group_name, topic, partition, "offset", key, event_id, type, envelope, status, cause, stack, attempts)
  select $1, e.topic, e.partition, e."offset", e.key, e.event_id, e.type, e.envelope, $8, $9, $10, $11
  from rows from (unnest($2::text[]), unnest($3::smallint[]), unnest($4::bigint[]), unnest($5::text[]), unnest($6::text[]),
    json_array_elements($7::text::json), unnest($12::text[])) as e (topic, partition, "offset", key, event_id, envelope, type)
  on conflict (group_name, topic, partition, "offset") do nothing`;

const insertKeysSql = `
  insert into dead_letter_key (group_name, key) select distinct $1, key from unnest($2::text[]) as key order by key
  on conflict do nothing`;

/** Keys of `records` that wait behind a dead letter; locked, so that a replay can't end while they are added to. */
export async function lockParkedKeys(
  tx: Transaction,
  group: string,
  records: readonly LogRecord[],
): Promise<ReadonlySet<string>> {
  return keysOf(tx, lockParkedKeysSql, group, records);
}

export async function readParkedKeys(
  database: Queryable,
  group: string,
  records: readonly LogRecord[],
): Promise<ReadonlySet<string>> {
  return keysOf(database, readParkedKeysSql, group, records);
}

async function keysOf(queryable: Queryable, sql: string, group: string, records: readonly LogRecord[]) {
  if (records.length === 0) return new Set<string>();
  const keys = [...new Set(records.map((record) => record.event.subject))];
  const { rows } = await queryable.query<{ key: string }>(sql, [group, keys]);
  return new Set(rows.map((row) => row.key));
}

/** Puts events behind the dead letter of their key. */
export async function park(tx: Transaction, group: string, records: readonly LogRecord[]): Promise<void> {
  if (records.length === 0) return;
  await insertLetters(tx, group, records, { status: 'parked', cause: null, stack: null, attempts: 0 });
  // A replay outside of our transaction (at least once) may have ended meanwhile: then these start a new wait.
  await tx.query(insertKeysSql, [group, records.map((record) => record.event.subject)]);
}

/** Takes an event out of the stream; with `park`, later events of its key will follow it. */
export async function bury(
  tx: Transaction,
  group: string,
  record: LogRecord,
  failure: { readonly error: unknown; readonly attempts: number; readonly policy: PoisonPolicy },
): Promise<void> {
  const { error, attempts, policy } = failure;
  await insertLetters(tx, group, [record], {
    status: 'failed',
    attempts,
    cause: causeText(error),
    stack: stackOf(error),
  });
  if (policy === 'park') await tx.query(insertKeysSql, [group, [record.event.subject]]);
}

async function insertLetters(
  tx: Transaction,
  group: string,
  records: readonly LogRecord[],
  why: Pick<DeadLetter, 'status' | 'cause' | 'stack' | 'attempts'>,
): Promise<void> {
  await tx.query(insertSql, [
    group,
    records.map((record) => record.topic),
    records.map((record) => record.partition),
    records.map((record) => record.offset),
    records.map((record) => record.event.subject),
    records.map((record) => record.event.id),
    JSON.stringify(records.map((record) => record.event)),
    why.status,
    why.cause,
    why.stack,
    why.attempts,
    records.map((record) => record.event.type),
  ]);
}

const columns = `id, group_name as "group", topic, partition, "offset", key, type, envelope as event, status, cause, stack,
  attempts, created_at as "createdAt"`;

const listSql = `
  select ${columns} from dead_letter
  where group_name = $1 and id > $2 and ($3::text is null or key = $3) order by id limit $4`;
const showSql = `select ${columns} from dead_letter where group_name = $1 and id = $2`;
const tallySql = `
  select count(*)::integer as total, coalesce(max(id), 0) as "lastId" from dead_letter
  where group_name = $1 and ($2::text is null or key = $2) and ($3::bigint is null or id <= $3)`;
/** The first letter of each key; with `skip` every letter stands for itself. */
const firstsSql = `
  select min(id) as id from dead_letter
  where group_name = $1 and ($2::text is null or key = $2) and id <= $3
  group by key, case when $6 then id end having min(id) > $4 order by min(id) limit $5`;
const oldestSql = `
  select id, key from dead_letter
  where group_name = $1 and ($2::text is null or key = $2) and id <= $3 order by id limit $4`;
const lockKeysSql = `
  select from dead_letter_key where group_name = $1 and key = any ($2::text[]) order by key for update`;
const deleteManySql = `delete from dead_letter where group_name = $1 and id = any ($2::bigint[])`;
const freeKeysSql = `
  delete from dead_letter_key k where group_name = $1 and key = any ($2::text[])
  and not exists (select from dead_letter l where l.group_name = $1 and l.key = k.key)`;
const firstOfKeySql = `select ${columns} from dead_letter where group_name = $1 and key = $2 order by id limit 1`;
const remainingSql = `select count(*)::integer as count from dead_letter where group_name = $1 and key = $2`;
const lockKeySql = `select from dead_letter_key where group_name = $1 and key = $2 for update`;
const lockLetterSql = `select from dead_letter where group_name = $1 and id = $2 for update`;
const deleteSql = `delete from dead_letter where group_name = $1 and id = $2`;
const freeKeySql = `
  delete from dead_letter_key where group_name = $1 and key = $2
  and not exists (select from dead_letter where group_name = $1 and key = $2)`;
const failAgainSql = `
  update dead_letter set status = 'failed', attempts = attempts + 1, cause = $3, stack = $4
  where group_name = $1 and id = $2`;
const forgetLettersSql = `delete from dead_letter where group_name = $1`;
const forgetKeysSql = `delete from dead_letter_key where group_name = $1`;

/** Removes all dead letters of a group: a rebuild meets their events again. */
export async function forgetDeadLetters(tx: Transaction, group: string): Promise<void> {
  await Promise.all([tx.query(forgetLettersSql, [group]), tx.query(forgetKeysSql, [group])]);
}

/** Somebody else has replayed or discarded the letter in the meantime. */
class LetterGone extends Error {}

export function createDeadLetters(options: {
  readonly database: Database;
  readonly group: string;
  readonly policy: PoisonPolicy;
  readonly delivery: Delivery;
}): DeadLetters {
  const { database, group, policy, delivery } = options;

  async function show(id: number): Promise<DeadLetter | undefined> {
    return (await database.query<DeadLetter>(showSql, [group, id])).rows[0];
  }

  async function remainingOf(key: string): Promise<number> {
    return (await database.query<{ count: number }>(remainingSql, [group, key])).rows[0]?.count ?? 0;
  }

  /** Locks in the order in which consumers lock: the key, then the letter, then whatever the handler touches. */
  function replayOne(letter: DeadLetter): Promise<void> {
    return delivery.redeliver(
      letter.event,
      async (tx) => {
        await tx.query(lockKeySql, [group, letter.key]);
        if ((await tx.query(lockLetterSql, [group, letter.id])).count === 0) throw new LetterGone();
      },
      async (tx) => {
        await tx.query(lockKeySql, [group, letter.key]);
        await tx.query(deleteSql, [group, letter.id]);
        await tx.query(freeKeySql, [group, letter.key]);
      },
    );
  }

  async function tally(key?: string, throughId?: number): Promise<{ total: number; lastId: number }> {
    const asked = [group, key ?? null, throughId ?? null];
    const { rows } = await database.query<{ total: number; lastId: number }>(tallySql, asked);
    return rows[0] ?? { total: 0, lastId: 0 };
  }

  async function replay(id: number): Promise<ReplayOutcome> {
    const asked = await show(id);
    if (!asked) return { replayed: 0, remaining: 0 };
    let replayed = 0;
    let letter: DeadLetter | undefined = asked;
    while (replayed < replayMax) {
      // Skipped events went past their dead letter long ago, so there each stands for itself.
      if (policy === 'park') {
        letter = (await database.query<DeadLetter>(firstOfKeySql, [group, asked.key])).rows[0];
      }
      if (!letter) break;
      try {
        await replayOne(letter);
        replayed += 1;
      } catch (error) {
        if (!(error instanceof LetterGone)) {
          await database.query(failAgainSql, [group, letter.id, causeText(error), stackOf(error)]);
          const failed = { id: letter.id, cause: causeText(error) };
          return { replayed, remaining: await remainingOf(asked.key), failed };
        }
      }
      if (policy === 'skip') break;
    }
    return { replayed, remaining: await remainingOf(asked.key) };
  }

  return {
    async list({ afterId = 0, limit = 20, key } = {}) {
      const rows = Math.max(1, Math.min(100, limit));
      return (await database.query<DeadLetter>(listSql, [group, afterId, key ?? null, rows])).rows;
    },
    show,
    tally: ({ key } = {}) => tally(key),
    replay,
    async replayMany({ key, throughId, afterId = 0 }) {
      const asked = [group, key ?? null, throughId, afterId, replayKeysMax, policy === 'skip'];
      const { rows } = await database.query<{ id: number }>(firstsSql, asked);
      let replayed = 0;
      const failed: { id: number; cause: string }[] = [];
      for (const { id } of rows) {
        const outcome = await replay(id);
        replayed += outcome.replayed;
        if (outcome.failed) failed.push(outcome.failed);
      }
      const last = rows.at(-1);
      return { replayed, failed, ...(last && rows.length === replayKeysMax ? { nextAfterId: last.id } : {}) };
    },
    async discardMany({ key, throughId }) {
      const asked = [group, key ?? null, throughId, discardMax];
      const discarded = await database.transaction(async (tx) => {
        const { rows } = await tx.query<{ id: number; key: string }>(oldestSql, asked);
        const keys = [...new Set(rows.map((row) => row.key))];
        await tx.query(lockKeysSql, [group, keys]);
        const { count } = await tx.query(deleteManySql, [group, rows.map(({ id }) => id)]);
        await tx.query(freeKeysSql, [group, keys]);
        return count;
      });
      return { discarded, remaining: (await tally(key, throughId)).total };
    },
    async discard(id) {
      const letter = await show(id);
      if (!letter) return { discarded: false, remaining: 0 };
      const discarded = await database.transaction(async (tx) => {
        await tx.query(lockKeySql, [group, letter.key]);
        const { count } = await tx.query(deleteSql, [group, id]);
        await tx.query(freeKeySql, [group, letter.key]);
        return count > 0;
      });
      return { discarded, remaining: await remainingOf(letter.key) };
    },
  };
}

function causeText(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return plain(text).slice(0, causeLengthMax);
}

function stackOf(error: unknown): string | null {
  if (!(error instanceof Error) || error.stack === undefined) return null;
  const { cause } = error;
  const below = cause instanceof Error ? `\ncaused by ${cause.stack ?? cause.message}` : '';
  return plain(`${error.stack}${below}`).slice(0, stackLengthMax);
}

/** PostgreSQL's text takes no NUL, and the error may well be about one. */
function plain(text: string): string {
  return text.replaceAll('\0', '\\0');
}
