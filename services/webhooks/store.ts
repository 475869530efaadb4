import type { DeliveryStatus } from '#contracts/webhooks';
import type { Queryable, Transaction } from '#kit/runtime';
import { removeInParts } from '#kit/store';

/** All SQL of the service. Times are the database's, so that instances agree on what is due. */

export interface EndpointRow {
  readonly id: string;
  readonly url: string;
  readonly description: string | null;
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly disabledWhy: string | null;
  readonly failingSince: Date | null;
  readonly secretSealed: Uint8Array;
  readonly oldSecretSealed: Uint8Array | null;
  readonly rotatedAt: Date | null;
  readonly version: number;
  readonly createdAt: Date;
  /** The same in hybrid logical time, where there was such a clock. */
  readonly madeHlc: string | null;
}

const endpointColumns = `id, url, description, types, enabled, disabled_why as "disabledWhy",
  failing_since as "failingSince", secret_sealed as "secretSealed",
  case when old_secret_until > now() then old_secret_sealed end as "oldSecretSealed", rotated_at as "rotatedAt", version,
  created_at as "createdAt", made_hlc as "madeHlc"`;

export interface EndpointFields {
  readonly url: string;
  readonly description: string | null;
  readonly types: readonly string[];
  readonly enabled: boolean;
}

export interface NewEndpoint extends EndpointFields {
  readonly id: string;
  readonly secretSealed: Uint8Array;
  readonly madeBy: string;
  readonly madeHlc: string | null;
}

const lockAllSql = 'lock table endpoint in share row exclusive mode';
const insertEndpointSql = `
  insert into endpoint (id, url, description, types, enabled, secret_sealed, made_by, made_hlc)
  values ($1, $2, $3, $4, $5, $6, $7, $8)
  on conflict (made_by) do nothing`;
const endpointMadeBySql = `select ${endpointColumns} from endpoint where made_by = $1`;
const countEndpointsSql = 'select count(*) as count from endpoint';

/** One at a time, so that the bound holds. Undefined when there are `max` already; a repeat gets the one that it made. */
export async function insertEndpoint(tx: Transaction, endpoint: NewEndpoint, max: number) {
  await tx.query(lockAllSql);
  const { rows } = await tx.query<{ count: number }>(countEndpointsSql);
  const known = (await tx.query<EndpointRow>(endpointMadeBySql, [endpoint.madeBy])).rows[0];
  if (known) return known;
  if ((rows[0]?.count ?? 0) >= max) return undefined;
  const { id, url, description, types, enabled, secretSealed, madeBy, madeHlc } = endpoint;
  await tx.query(insertEndpointSql, [id, url, description, types, enabled, secretSealed, madeBy, madeHlc]);
  return (await tx.query<EndpointRow>(endpointMadeBySql, [madeBy])).rows[0];
}

const endpointSql = `select ${endpointColumns} from endpoint where id = $1`;
const endpointsSql = `select ${endpointColumns} from endpoint order by id`;

export const readEndpoint = async (queryable: Queryable, id: string) =>
  (await queryable.query<EndpointRow>(endpointSql, [id])).rows[0];
export const lockEndpoint = async (tx: Transaction, id: string) =>
  (await tx.query<EndpointRow>(`${endpointSql} for update`, [id])).rows[0];
export const listEndpoints = async (queryable: Queryable) => (await queryable.query<EndpointRow>(endpointsSql)).rows;

const hasEndpointsSql = 'select exists (select 1 from endpoint) as there';
export const hasEndpoints = async (queryable: Queryable): Promise<boolean> =>
  (await queryable.query<{ there: boolean }>(hasEndpointsSql)).rows[0]?.there ?? false;

const saveEndpointSql = `
  update endpoint set url = $2, description = $3, types = $4, enabled = $5, version = version + 1,
    disabled_why = case when $5 then null else disabled_why end,
    failing_since = case when $5 and not enabled then null else failing_since end
  where id = $1 returning ${endpointColumns}`;

/** Enabled again, it starts with a clean slate. */
export async function saveEndpoint(tx: Transaction, id: string, fields: EndpointFields): Promise<EndpointRow> {
  const { url, description, types, enabled } = fields;
  const { rows } = await tx.query<EndpointRow>(saveEndpointSql, [id, url, description, types, enabled]);
  return rows[0] as EndpointRow;
}

const rotateSql = `
  update endpoint set old_secret_sealed = secret_sealed, old_secret_until = now() + make_interval(secs => $3),
    secret_sealed = $2, rotated_at = now(), version = version + 1
  where id = $1`;
export async function rotateSecret(tx: Transaction, id: string, sealed: Uint8Array, overlapMs: number): Promise<void> {
  await tx.query(rotateSql, [id, sealed, overlapMs / 1_000]);
}

export async function deleteEndpoint(database: Queryable, id: string): Promise<void> {
  await database.query('delete from endpoint where id = $1', [id]);
}

const disableSql = `
  update endpoint set enabled = false, disabled_why = $2, version = version + 1 where id = $1 and enabled`;
export async function disableEndpoint(database: Queryable, id: string, why: string): Promise<boolean> {
  return (await database.query(disableSql, [id, why])).count === 1;
}

// ---- messages and deliveries

export interface NewMessage {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly payload: string;
}

export interface NewDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly messageId: string;
  /** `event`, or who asked for it. */
  readonly cause: string;
}

const insertMessagesSql = `
  insert into message (id, type, key, payload) select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
  on conflict do nothing`;
const insertDeliveriesSql = `
  insert into delivery (id, endpoint_id, message_id, cause)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) on conflict do nothing`;

/** What is there already stays as it is: the same event comes to the same rows. */
export async function insertDeliveries(
  tx: Queryable,
  messages: readonly NewMessage[],
  deliveries: readonly NewDelivery[],
): Promise<void> {
  if (deliveries.length === 0) return;
  await tx.query(insertMessagesSql, [
    messages.map(({ id }) => id),
    messages.map(({ type }) => type),
    messages.map(({ key }) => key),
    messages.map(({ payload }) => payload),
  ]);
  await tx.query(insertDeliveriesSql, [
    deliveries.map(({ id }) => id),
    deliveries.map(({ endpointId }) => endpointId),
    deliveries.map(({ messageId }) => messageId),
    deliveries.map(({ cause }) => cause),
  ]);
}

export interface DeliveryRow {
  readonly id: string;
  readonly endpointId: string;
  readonly messageId: string;
  readonly type: string;
  readonly key: string;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  readonly nextAttemptAt: Date;
  readonly replayOf: string | null;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
}

const deliveryColumns = `d.id, d.endpoint_id as "endpointId", d.message_id as "messageId", m.type, m.key, d.status,
  d.attempts, d.next_attempt_at as "nextAttemptAt", d.replay_of as "replayOf", d.created_at as "createdAt",
  d.ended_at as "endedAt"`;

const replaySql = `
  insert into delivery (id, endpoint_id, message_id, cause, replay_of)
  select $1, endpoint_id, message_id, $2, id from delivery where id = $3 on conflict do nothing`;
const byCauseSql = `
  select ${deliveryColumns} from delivery d join message m on m.id = d.message_id
  where d.endpoint_id = $1 and d.message_id = $2 and d.cause = $3`;

export async function insertReplay(tx: Queryable, id: string, cause: string, original: string): Promise<void> {
  await tx.query(replaySql, [id, cause, original]);
}

export async function readByCause(tx: Queryable, endpointId: string, messageId: string, cause: string) {
  return (await tx.query<DeliveryRow>(byCauseSql, [endpointId, messageId, cause])).rows[0];
}

const failedSinceSql = `
  select d.id, d.message_id as "messageId" from delivery d
  where d.endpoint_id = $1 and d.status = 'failed' and d.ended_at >= $2
    and not exists (select 1 from delivery r where r.endpoint_id = d.endpoint_id and r.replay_of = d.id)
  order by d.id limit $3`;
const replayAllSql = `
  insert into delivery (id, endpoint_id, message_id, cause, replay_of)
  select id, $2, message, 'replay:' || original, original
  from unnest($1::text[], $3::text[], $4::text[]) as one (id, message, original) on conflict do nothing`;

/** Failed ones that nobody has replayed yet, oldest first. */
export async function readFailedSince(tx: Queryable, endpointId: string, since: Date, limit: number) {
  return (await tx.query<Pick<DeliveryRow, 'id' | 'messageId'>>(failedSinceSql, [endpointId, since, limit])).rows;
}

export async function insertReplays(
  tx: Queryable,
  endpointId: string,
  replays: readonly { readonly id: string; readonly messageId: string; readonly original: string }[],
): Promise<number> {
  if (replays.length === 0) return 0;
  const { count } = await tx.query(replayAllSql, [
    replays.map(({ id }) => id),
    endpointId,
    replays.map(({ messageId }) => messageId),
    replays.map(({ original }) => original),
  ]);
  return count;
}

const deliverySql = `
  select ${deliveryColumns}, m.payload from delivery d join message m on m.id = d.message_id where d.id = $1`;
const attemptsSql = `
  select number, at, duration_ms as "durationMs", status, answer, error from attempt where delivery_id = $1
  order by number desc limit 100`;

export interface AttemptRow {
  readonly number: number;
  readonly at: Date;
  readonly durationMs: number;
  readonly status: number | null;
  readonly answer: string | null;
  readonly error: string | null;
}

export const readDelivery = async (queryable: Queryable, id: string) =>
  (await queryable.query<DeliveryRow & { readonly payload: string }>(deliverySql, [id])).rows[0];
export const readAttempts = async (queryable: Queryable, id: string) =>
  (await queryable.query<AttemptRow>(attemptsSql, [id])).rows;

const listSql = (where: string) => `
  select ${deliveryColumns} from delivery d join message m on m.id = d.message_id
  where ${where} and ($1::text is null or d.id < $1) order by d.id desc limit $2`;
/** A statement for each way to look: one plan for all would use no index. */
const lists = {
  all: listSql('true'),
  status: listSql('d.status = $3'),
  endpoint: listSql('d.endpoint_id = $3'),
  both: listSql('d.endpoint_id = $3 and d.status = $4'),
};

export async function listDeliveries(
  database: Queryable,
  { endpointId, status }: { readonly endpointId: string | undefined; readonly status: DeliveryStatus | undefined },
  beforeId: string | null,
  limit: number,
): Promise<readonly DeliveryRow[]> {
  const which =
    endpointId === undefined ? (status === undefined ? 'all' : 'status') : status === undefined ? 'endpoint' : 'both';
  const values = [endpointId, status].filter((value) => value !== undefined);
  return (await database.query<DeliveryRow>(lists[which], [beforeId, limit, ...values])).rows;
}

// ---- posting

export interface DueRow {
  readonly id: string;
  readonly endpointId: string;
  readonly messageId: string;
  readonly payload: string;
  readonly attempts: number;
  readonly url: string;
  readonly secretSealed: Uint8Array;
  readonly oldSecretSealed: Uint8Array | null;
}

/** An endpoint that answers slowly holds up itself alone: only so many of its deliveries are under way at once. */
const leaseSql = `
  with due as (
    select picked.id from endpoint e cross join lateral (
      select d.id, d.next_attempt_at from delivery d
      where d.endpoint_id = e.id and d.status = 'pending' and d.next_attempt_at <= now()
        and (d.leased_until is null or d.leased_until < now())
      order by d.next_attempt_at
      limit greatest(0, $4 - (
        select count(*) from delivery l
        where l.endpoint_id = e.id and l.status = 'pending' and l.leased_until >= now()))
      for update skip locked) as picked
    where e.enabled order by picked.next_attempt_at limit $3)
  update delivery d set lease_owner = $1, leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
  from due, message m, endpoint e
  where d.id = due.id and m.id = d.message_id and e.id = d.endpoint_id
  returning d.id, d.endpoint_id as "endpointId", d.message_id as "messageId", m.payload, d.attempts, e.url,
    e.secret_sealed as "secretSealed",
    case when e.old_secret_until > now() then e.old_secret_sealed end as "oldSecretSealed"`;

export interface Lease {
  readonly owner: string;
  readonly leaseMs: number;
  readonly limit: number;
  readonly perEndpointMax: number;
}

/** Takes what is due. An instance that crashes loses its lease after `leaseMs`, and another posts them again. */
export async function leaseDue(database: Queryable, { owner, leaseMs, limit, perEndpointMax }: Lease) {
  return (await database.query<DueRow>(leaseSql, [owner, leaseMs / 1_000, limit, perEndpointMax])).rows;
}

const attemptSql = `
  insert into attempt (delivery_id, number, at, duration_ms, status, answer, error)
  select $1, $2, now() - make_interval(secs => $3::double precision / 1000), $3, $4, $5, $6
  where exists (select 1 from delivery where id = $1)
  on conflict (delivery_id, number) do update
    set at = excluded.at, duration_ms = excluded.duration_ms, status = excluded.status, answer = excluded.answer,
      error = excluded.error`;
/** Whoever posted it: that it arrived is true even if the lease has ended meanwhile. */
const deliveredSql = `
  update delivery set status = 'delivered', ended_at = now(), lease_owner = null, leased_until = null
  where id = $1 and status = 'pending'`;
const worksSql = 'update endpoint set failing_since = null where id = $1 and failing_since is not null';
const laterSql = `
  update delivery set next_attempt_at = now() + make_interval(secs => $3), lease_owner = null, leased_until = null
  where id = $1 and lease_owner = $2 and status = 'pending'`;
const failedSql = `
  update delivery set status = 'failed', ended_at = now(), lease_owner = null, leased_until = null
  where id = $1 and lease_owner = $2 and status = 'pending'`;
const failingSql = `
  update endpoint set failing_since = coalesce(failing_since, now()) where id = $1
  returning extract(epoch from now() - failing_since)::double precision * 1000 as "failingMs"`;

export interface Tried {
  readonly row: Pick<DueRow, 'id' | 'endpointId' | 'attempts'>;
  readonly durationMs: number;
  readonly status: number | undefined;
  readonly answer: string | undefined;
  readonly error: string | undefined;
}

async function insertAttempt(tx: Queryable, { row, durationMs, status, answer, error }: Tried): Promise<void> {
  await tx.query(attemptSql, [row.id, row.attempts, durationMs, status ?? null, answer ?? null, error ?? null]);
}

export async function markDelivered(tx: Transaction, tried: Tried): Promise<void> {
  await insertAttempt(tx, tried);
  await tx.query(deliveredSql, [tried.row.id]);
  await tx.query(worksSql, [tried.row.endpointId]);
}

const giveBackSql = `
  update delivery set attempts = attempts - 1, lease_owner = null, leased_until = null
  where id = $1 and lease_owner = $2 and status = 'pending'`;

/** It was not tried to the end: whoever is next does it. */
export async function giveBack(database: Queryable, id: string, owner: string): Promise<void> {
  await database.query(giveBackSql, [id, owner]);
}

/** `delayMs` undefined: it is given up. Resolves with how long nothing has arrived at the endpoint. */
export async function markTried(
  tx: Transaction,
  owner: string,
  tried: Tried,
  delayMs: number | undefined,
): Promise<number> {
  await insertAttempt(tx, tried);
  if (delayMs === undefined) await tx.query(failedSql, [tried.row.id, owner]);
  else await tx.query(laterSql, [tried.row.id, owner, delayMs / 1_000]);
  const { rows } = await tx.query<{ failingMs: number }>(failingSql, [tried.row.endpointId]);
  return rows[0]?.failingMs ?? 0;
}

// ---- housekeeping

const sweepDeliveriesSql = `
  delete from delivery where ctid = any (array(
    select ctid from delivery where status <> 'pending' and ended_at < now() - make_interval(secs => $1) limit $2))`;
const sweepMessagesSql = `
  delete from message where ctid = any (array(
    select m.ctid from message m where m.created_at < now() - make_interval(secs => $1)
      and not exists (select 1 from delivery d where d.message_id = m.id) limit $2))`;

/** Removes deliveries that ended long ago, and messages that nobody waits for any more. */
export async function sweep(database: Queryable, keepMs: number): Promise<void> {
  await removeInParts(database, sweepDeliveriesSql, [keepMs / 1_000]);
  await removeInParts(database, sweepMessagesSql, [keepMs / 1_000]);
}
