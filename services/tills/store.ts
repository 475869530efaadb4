import type { PricingRules } from '#contracts/carts';
import type { Conflict, Offline, ReturnEntry } from '#contracts/tills';
import type { Database, Queryable, Transaction } from '#kit/runtime';
import type { EntryRecord, Found, TillRecord } from './model.ts';

const tillColumns = `id, name, currency, country, state, device, last_seen_at as "lastSeenAt", created_at as "createdAt",
  offline_amount_minor_max as "amountMinorMax", offline_age_ms_max as "ageMsMax"`;

export async function insertTill(
  tx: Transaction,
  till: Pick<TillRecord, 'id' | 'name' | 'currency' | 'country'>,
): Promise<void> {
  await tx.query('insert into till (id, name, currency, country) values ($1, $2, $3, $4)', [
    till.id,
    till.name,
    till.currency,
    till.country,
  ]);
}

/** What is not given stays. */
export async function changeTill(
  database: Queryable,
  id: string,
  { name = null, offline }: { readonly name?: string | null; readonly offline?: Offline },
): Promise<TillRecord | undefined> {
  const { rows } = await database.query<TillRecord>(
    `update till set name = coalesce($2, name), offline_amount_minor_max = coalesce($3, offline_amount_minor_max),
       offline_age_ms_max = coalesce($4, offline_age_ms_max)
     where id = $1 returning ${tillColumns}`,
    [id, name, offline?.amountMinorMax ?? null, offline?.ageMsMax ?? null],
  );
  return rows[0];
}

export async function readTill(database: Queryable, id: string): Promise<TillRecord | undefined> {
  return (await database.query<TillRecord>(`select ${tillColumns} from till where id = $1`, [id])).rows[0];
}

export async function listTills(database: Queryable, after: string, limit: number): Promise<readonly TillRecord[]> {
  const sql = `select ${tillColumns} from till where id > $1 order by id limit $2`;
  return (await database.query<TillRecord>(sql, [after, limit])).rows;
}

/** The code before, if there is one, is worth nothing any more. */
export async function setCode(
  database: Queryable,
  id: string,
  codeHash: string,
  lifeMs: number,
): Promise<Date | undefined> {
  const { rows } = await database.query<{ expiresAt: Date }>(
    `update till set code_hash = $2, code_expires_at = now() + make_interval(secs => $3) where id = $1
     returning code_expires_at as "expiresAt"`,
    [id, codeHash, lifeMs / 1000],
  );
  return rows[0]?.expiresAt;
}

/** One statement, so a code works once whoever else has it. */
export async function enrolDevice(
  database: Queryable,
  codeHash: string,
  device: string,
  keyHash: string,
): Promise<TillRecord | undefined> {
  const { rows } = await database.query<TillRecord>(
    `update till set state = 'enrolled', device = $2, key_hash = $3, code_hash = null, code_expires_at = null
     where code_hash = $1 and code_expires_at > now() returning ${tillColumns}`,
    [codeHash, device, keyHash],
  );
  return rows[0];
}

export async function revokeDevice(database: Queryable, id: string): Promise<TillRecord | undefined> {
  const { rows } = await database.query<TillRecord>(
    `update till set state = 'revoked', key_hash = null, code_hash = null where id = $1 returning ${tillColumns}`,
    [id],
  );
  return rows[0];
}

/** The till whose enrolled device has this secret. */
export async function tillOfDevice(database: Queryable, id: string, keyHash: string): Promise<TillRecord | undefined> {
  const { rows } = await database.query<TillRecord>(
    `select ${tillColumns} from till where id = $1 and key_hash = $2 and state = 'enrolled'`,
    [id, keyHash],
  );
  return rows[0];
}

/** Entries of a till come one request after the other. A device that was shut out meanwhile finds no row. */
export async function lockTill(tx: Transaction, id: string, keyHash: string): Promise<boolean> {
  const { count } = await tx.query(
    `update till set last_seen_at = now() where id = $1 and key_hash = $2 and state = 'enrolled'`,
    [id, keyHash],
  );
  return count === 1;
}

const entryColumns = 'till_id as "tillId", seq, body, totals';

export async function entriesAt(
  database: Queryable,
  tillId: string,
  seqs: readonly number[],
): Promise<readonly EntryRecord[]> {
  const sql = `select ${entryColumns} from entry where till_id = $1 and seq = any ($2::bigint[]) order by seq`;
  return (await database.query<EntryRecord>(sql, [tillId, seqs])).rows;
}

export async function insertEntries(tx: Transaction, entries: readonly EntryRecord[]): Promise<void> {
  if (entries.length === 0) return;
  await tx.query(
    `insert into entry (till_id, seq, kind, session_id, sale_id, body, totals, at, settled)
     select till_id, seq, body ->> 'kind', body ->> 'sessionId', body ->> 'saleId', body, nullif(totals, 'null'),
       (body ->> 'at')::timestamptz, body ->> 'kind' not in ('sale', 'return')
     from unnest($1::text[], $2::bigint[], $3::jsonb[], $4::jsonb[]) as new (till_id, seq, body, totals)`,
    [
      entries.map((row) => row.tillId),
      entries.map((row) => row.seq),
      entries.map((row) => JSON.stringify(row.body)),
      entries.map((row) => JSON.stringify(row.totals)),
    ],
  );
}

export async function readSales(database: Queryable, saleIds: readonly string[]): Promise<readonly EntryRecord[]> {
  if (saleIds.length === 0) return [];
  const sql = `select ${entryColumns} from entry where kind = 'sale' and sale_id = any ($1::text[])`;
  return (await database.query<EntryRecord>(sql, [saleIds])).rows;
}

export async function readReturns(database: Queryable, saleIds: readonly string[]): Promise<readonly ReturnEntry[]> {
  if (saleIds.length === 0) return [];
  const sql = `select body from entry where kind = 'return' and sale_id = any ($1::text[]) order by received_at`;
  return (await database.query<{ body: ReturnEntry }>(sql, [saleIds])).rows.map(({ body }) => body);
}

export async function readSession(
  database: Queryable,
  tillId: string,
  sessionId: string,
): Promise<readonly EntryRecord[]> {
  const sql = `select ${entryColumns} from entry where till_id = $1 and session_id = $2 order by seq`;
  return (await database.query<EntryRecord>(sql, [tillId, sessionId])).rows;
}

/** Sessions of a till, the latest first. */
export async function listSessions(database: Queryable, tillId: string, limit: number): Promise<readonly string[]> {
  const { rows } = await database.query<{ id: string }>(
    `select session_id as id from entry where till_id = $1 group by session_id order by max(seq) desc limit $2`,
    [tillId, limit],
  );
  return rows.map(({ id }) => id);
}

/** Sessions that were closed, with the number of the entry that closed them. */
export async function closedAt(
  database: Queryable,
  tillId: string,
  sessionIds: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await database.query<{ id: string; seq: number }>(
    `select session_id as id, min(seq)::bigint as seq from entry
     where till_id = $1 and session_id = any ($2::text[]) and kind = 'close' group by session_id`,
    [tillId, sessionIds],
  );
  return new Map(rows.map(({ id, seq }) => [id, seq]));
}

export async function lastSeq(database: Queryable, tillId: string): Promise<number> {
  const sql = 'select coalesce(max(seq), 0)::bigint as seq from entry where till_id = $1';
  return (await database.query<{ seq: number }>(sql, [tillId])).rows[0]?.seq ?? 0;
}

/** Numbers below the last that have not arrived. */
export async function missingSeqs(database: Queryable, tillId: string, max: number): Promise<readonly number[]> {
  const { rows } = await database.query<{ seq: number }>(
    `with gap as (
       select lag(seq, 1, 0::bigint) over (order by seq) + 1 as first, seq - 1 as last from entry where till_id = $1)
     select s::bigint as seq from gap, generate_series(first, least(last, first + $2 - 1)) s
     where first <= last order by 1 limit $2`,
    [tillId, max],
  );
  return rows.map(({ seq }) => seq);
}

export async function insertConflicts(
  tx: Queryable,
  conflicts: readonly (Found & { readonly tillId: string; readonly seq: number })[],
): Promise<void> {
  if (conflicts.length === 0) return;
  await tx.query(
    `insert into conflict (till_id, seq, kind, detail, data)
     select till_id, seq, kind, detail, nullif(data, 'null')
     from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[]) as new (till_id, seq, kind, detail, data)
     on conflict do nothing`,
    [
      conflicts.map((row) => row.tillId),
      conflicts.map((row) => row.seq),
      conflicts.map((row) => row.kind),
      conflicts.map((row) => row.detail),
      conflicts.map((row) => JSON.stringify(row.data ?? null)),
    ],
  );
}

interface ConflictRow extends Omit<Conflict, 'at' | 'data'> {
  readonly id: number;
  readonly data: unknown;
  readonly at: Date;
}

const conflictColumns = 'id, till_id as "tillId", seq, kind, detail, data, at';

export async function listConflicts(database: Queryable, before: number | null, limit: number) {
  const sql = `select ${conflictColumns} from conflict where $1::bigint is null or id < $1 order by id desc limit $2`;
  return (await database.query<ConflictRow>(sql, [before, limit])).rows;
}

export async function conflictsAt(database: Queryable, tillId: string, seqs: readonly number[]) {
  const sql = `select ${conflictColumns} from conflict where till_id = $1 and seq = any ($2::bigint[]) order by id`;
  return (await database.query<ConflictRow>(sql, [tillId, seqs])).rows;
}

export function conflictView({ tillId, seq, kind, detail, data, at }: ConflictRow): Conflict {
  return { tillId, seq, kind, detail, ...(data === null ? {} : { data }), at: at.toISOString() };
}

/** Entries of a till that inventory and payments have not heard of, in their order; `isDue`: those that are not put aside for now. */
export async function unsettled(
  database: Queryable,
  tillId: string,
  max: number,
  { isDue = false } = {},
): Promise<readonly EntryRecord[]> {
  const sql = `select ${entryColumns} from entry where till_id = $1 and not settled ${isDue ? 'and try_at <= now()' : ''}
    order by seq limit $2`;
  return (await database.query<EntryRecord>(sql, [tillId, max])).rows;
}

export async function tillsUnsettled(database: Queryable, max: number): Promise<readonly string[]> {
  const sql = 'select distinct till_id as id from entry where not settled and try_at <= now() order by 1 limit $1';
  return (await database.query<{ id: string }>(sql, [max])).rows.map(({ id }) => id);
}

/** Nothing keeps it from being settled any more: where people were told that something did, that is over. */
export async function setSettled(tx: Transaction, tillId: string, seq: number): Promise<void> {
  await Promise.all([
    tx.query('update entry set settled = true where till_id = $1 and seq = $2', [tillId, seq]),
    tx.query(`delete from conflict where till_id = $1 and seq = $2 and kind = 'not-settled'`, [tillId, seq]),
  ]);
}

export async function isSaleSettled(database: Queryable, saleId: string): Promise<boolean> {
  const sql = `select 1 from entry where kind = 'sale' and sale_id = $1 and settled`;
  return (await database.query(sql, [saleId])).count === 1;
}

/** How often it has failed by now, and for how long. Undefined: it has been settled meanwhile. */
export async function countFailure(
  database: Queryable,
  { tillId, seq }: EntryRecord,
): Promise<{ readonly failures: number; readonly failingMs: number } | undefined> {
  const { rows } = await database.query<{ failures: number; failingMs: number }>(
    `update entry set failures = failures + 1, failing_since = coalesce(failing_since, now())
     where till_id = $1 and seq = $2 and not settled
     returning failures, (extract(epoch from now() - failing_since) * 1000)::float8 as "failingMs"`,
    [tillId, seq],
  );
  return rows[0];
}

export async function putAside(
  database: Database,
  { tillId, seq }: EntryRecord,
  detail: string,
  againMs: number,
): Promise<void> {
  await database.transaction(async (tx) => {
    const { count } = await tx.query(
      `update entry set try_at = now() + make_interval(secs => $3) where till_id = $1 and seq = $2 and not settled`,
      [tillId, seq, againMs / 1000],
    );
    if (count === 1) await insertConflicts(tx, [{ tillId, seq, kind: 'not-settled', detail }]);
  });
}

export async function readKnownRules(database: Queryable): Promise<PricingRules | undefined> {
  return (await database.query<{ body: PricingRules }>('select body from known_rules')).rows[0]?.body;
}

export async function writeKnownRules(database: Queryable, rules: PricingRules): Promise<void> {
  await database.query(
    `insert into known_rules (body) values ($1) on conflict (id) do update set body = excluded.body
     where known_rules.body <> excluded.body`,
    [rules],
  );
}

/** Whether it had not been asked for before. */
export async function wantReceipt(tx: Transaction, saleId: string, email: string): Promise<boolean> {
  const sql = 'insert into receipt_mail (sale_id, email) values ($1, $2) on conflict do nothing';
  return (await tx.query(sql, [saleId, email])).count === 1;
}
