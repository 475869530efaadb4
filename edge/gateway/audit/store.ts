import type { Queryable } from '#kit/runtime';

/** One line of the audit log. Ids and names only: no body, query, header or token gets this far. */
export interface AuditEntry {
  readonly at: Date;
  readonly actorKind: string;
  readonly actorId: string;
  readonly sessionId: string | null;
  /** `orders.cancel`. */
  readonly operation: string;
  /** Parameters of the path: `{ orderId: 'ord_…' }`. */
  readonly target: Readonly<Record<string, string>>;
  readonly status: number;
  /** Network address. */
  readonly source: string;
  readonly correlationId: string;
}

/** Lines that are written together, once, however often they are sent. */
export interface AuditBatch {
  /** The process that they are of. */
  readonly writer: string;
  /** Of the batches of that process; from 1 on. */
  readonly number: number;
  readonly entries: readonly AuditEntry[];
}

const insertSql = `
  with moved as (
    insert into audit_writer (writer, batch, at) values ($10, $11, now())
    on conflict (writer) do update set batch = excluded.batch, at = excluded.at where audit_writer.batch < excluded.batch
    returning batch)
  insert into audit_entry
    (at, actor_kind, actor_id, session_id, operation, target, status, source, correlation_id)
  select a, k, i, s, o, t::jsonb, st, src, c
  from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::text[],
    $9::text[]) as one(a, k, i, s, o, t, st, src, c)
  where exists (select 1 from moved)`;

export async function insertBatch(database: Queryable, { writer, number, entries }: AuditBatch): Promise<void> {
  await database.query(insertSql, [
    entries.map(({ at }) => at),
    entries.map(({ actorKind }) => actorKind),
    entries.map(({ actorId }) => actorId),
    entries.map(({ sessionId }) => sessionId),
    entries.map(({ operation }) => operation),
    entries.map(({ target }) => JSON.stringify(target)),
    entries.map(({ status }) => status),
    entries.map(({ source }) => source),
    entries.map(({ correlationId }) => correlationId),
    writer,
    number,
  ]);
}

const listSql = `
  select id, at, actor_kind as "actorKind", actor_id as "actorId", session_id as "sessionId", operation, target, status,
    source, correlation_id as "correlationId"
  from audit_entry
  where ($1::text is null or actor_id = $1) and ($3::bigint is null or id < $3)
    and ($2::text is null or operation = $2 or starts_with(operation, $2 || '.'))
    and ($7::text is null or (target <> '{}' and jsonb_path_query_array(target, '$.*') @> to_jsonb($7::text)))
    and ($8::text[] is null or operation <> all($8) or status in (401, 403))
    and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
  order by id desc limit $4`;

export interface AuditFilter {
  readonly actor: string | undefined;
  /** `orders.cancel`, or `orders` for all of them. */
  readonly operation: string | undefined;
  /** Any of the ids out of the path. */
  readonly target: string | undefined;
  /** Operations that only look: left out, unless they were refused. */
  readonly without: readonly string[] | undefined;
  readonly from: Date | undefined;
  /** Exclusive. */
  readonly to: Date | undefined;
  /** Entries older than this one. */
  readonly before: number | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listEntries(
  database: Queryable,
  { actor, operation, target, without, from, to, before, limit }: AuditFilter,
): Promise<readonly (AuditEntry & { readonly id: number })[]> {
  const { rows } = await database.query<AuditEntry & { id: number }>(listSql, [
    actor ?? null,
    operation ?? null,
    before ?? null,
    limit,
    from ?? null,
    to ?? null,
    target ?? null,
    without ?? null,
  ]);
  return rows;
}

const sweepSql = `
  delete from audit_entry where id in
    (select id from audit_entry where at < now() - make_interval(days => $1) order by id limit $2)`;

/** Long after anybody would send a batch again. */
const sweepWritersSql = `delete from audit_writer where at < now() - interval '1 day'`;

/** Resolves with how many were removed; never any of the last 90 days, whatever it is asked. */
export async function sweepEntries(database: Queryable, keepDays: number, max: number): Promise<number> {
  await database.query(sweepWritersSql);
  return (await database.query(sweepSql, [keepDays, max])).count;
}
