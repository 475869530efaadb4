import type { Queryable, Transaction } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { StalePosition } from './errors.ts';
import type { Assignment, LogRecord } from './log.ts';

export const inboxMigrations: Migrations = {
  directory: `${import.meta.dirname}/schema/inbox`,
  table: 'schema_messaging_inbox',
};

/** Where a group stands in a partition, as far as the member that holds it knows. */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  readonly nextOffset: number;
  readonly attempts: number;
}

/** A step forward of one partition: refused unless the position is still `from` and the generation ours. */
export interface Move {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  readonly from: number;
  readonly to: number;
}

/** Takes positions over: from here on, writes of earlier holders are refused. Holders of newer ones are left alone. */
const claimSql = `
  insert into inbox_position as p (group_name, topic, partition, next_offset, generation)
  select $1, c.topic, c.partition, c.start_offset, c.generation
  from unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[]) as c (topic, partition, generation, start_offset)
  order by c.topic, c.partition
  on conflict (group_name, topic, partition) do update set generation = excluded.generation
  where p.generation <= excluded.generation
  returning topic, partition, generation, next_offset, attempts`;

export async function claimPositions(
  database: Queryable,
  group: string,
  claims: readonly (Assignment & { readonly startOffset: number })[],
): Promise<readonly Position[]> {
  if (claims.length === 0) return [];
  const { rows } = await database.query<PositionRow>(claimSql, [
    group,
    claims.map((claim) => claim.topic),
    claims.map((claim) => claim.partition),
    claims.map((claim) => claim.generation),
    claims.map((claim) => claim.startOffset),
  ]);
  return rows.map(positionOf);
}

const positionsSql = `
  select topic, partition, generation, next_offset, attempts from inbox_position where group_name = $1`;

export async function readPositions(database: Queryable, group: string): Promise<readonly Position[]> {
  return (await database.query<PositionRow>(positionsSql, [group])).rows.map(positionOf);
}

const advanceSql = `
  update inbox_position p set next_offset = m.to_offset, attempts = 0, updated_at = now()
  from unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as m (topic, partition, generation, from_offset, to_offset)
  where p.group_name = $1 and p.topic = m.topic and p.partition = m.partition
    and p.generation = m.generation and p.next_offset = m.from_offset`;

/** Throws `StalePosition` when any of the moves is refused. */
export async function advance(tx: Transaction, group: string, moves: readonly Move[]): Promise<void> {
  const { count } = await tx.query(advanceSql, [
    group,
    moves.map((move) => move.topic),
    moves.map((move) => move.partition),
    moves.map((move) => move.generation),
    moves.map((move) => move.from),
    moves.map((move) => move.to),
  ]);
  if (count !== moves.length) throw new StalePosition(group);
}

const countAttemptSql = `
  update inbox_position set attempts = $6
  where group_name = $1 and topic = $2 and partition = $3 and generation = $4 and next_offset = $5`;

/** Remembered across takeovers, so that an event doesn't get its attempts anew from each member. */
export async function countAttempt(database: Queryable, group: string, at: Move, attempts: number): Promise<void> {
  await database.query(countAttemptSql, [group, at.topic, at.partition, at.generation, at.from, attempts]);
}

const rewindSql = `
  insert into inbox_position (group_name, topic, partition, next_offset, generation)
  select $1, t.topic, t.partition, 0, 0 from unnest($2::text[], $3::smallint[]) as t (topic, partition)
  order by t.topic, t.partition
  on conflict (group_name, topic, partition) do update set next_offset = 0, attempts = 0, updated_at = now()`;

/** Back to the beginning; members in the middle of a batch are refused and read their positions anew. */
export async function rewind(
  tx: Transaction,
  group: string,
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Promise<void> {
  await tx.query(rewindSql, [group, partitions.map((p) => p.topic), partitions.map((p) => p.partition)]);
}

/** One move for each partition of `records`, which are in order and start at the positions of `positionOf`. */
export function movesOf(
  records: readonly LogRecord[],
  positionAt: (record: LogRecord) => { readonly nextOffset: number; readonly generation: number },
): readonly Move[] {
  const moves = new Map<string, { -readonly [Key in keyof Move]: Move[Key] }>();
  for (const record of records) {
    const name = `${record.topic}/${record.partition}`;
    const move = moves.get(name);
    if (move) {
      move.to = record.offset + 1;
      continue;
    }
    const { nextOffset, generation } = positionAt(record);
    const { topic, partition, offset } = record;
    moves.set(name, { topic, partition, generation, from: nextOffset, to: offset + 1 });
  }
  return [...moves.values()];
}

interface PositionRow {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  readonly next_offset: number;
  readonly attempts: number;
}

function positionOf(row: PositionRow): Position {
  const { topic, partition, generation, attempts } = row;
  return { topic, partition, generation, attempts, nextOffset: row.next_offset };
}
