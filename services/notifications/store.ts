import type { NotificationStatus } from '#contracts/notifications';
import type { Queryable } from '#kit/runtime';
import { removeInParts } from '#kit/store';

export interface NewNotification {
  readonly id: string;
  readonly eventId: string;
  readonly template: string;
  readonly orderId: string | null;
  readonly userId: string | null;
  /** A password reset whose token is put into the mail when it is sent. */
  readonly resetId: string | null;
  readonly recipient: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface NotificationRow extends NewNotification {
  readonly status: NotificationStatus;
  readonly attempts: number;
  readonly cause: string | null;
  readonly resendOf: string | null;
  readonly createdAt: Date;
  readonly sentAt: Date | null;
  /** How long it has been waiting. */
  readonly ageMs: number;
}

const insertSql = `
  insert into notification
    (id, event_id, template, order_id, recipient, subject, body_text, body_html, user_id, reset_id, status)
  select *, $11 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[])
  on conflict (event_id, template) do nothing`;

/** Whatever is there already for the same event and template stays as it is. */
export async function insertNotifications(
  tx: Queryable,
  status: 'pending' | 'recorded',
  rows: readonly NewNotification[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(insertSql, [
    rows.map((row) => row.id),
    rows.map((row) => row.eventId),
    rows.map((row) => row.template),
    rows.map((row) => row.orderId),
    rows.map((row) => row.recipient),
    rows.map((row) => row.subject),
    rows.map((row) => row.text),
    rows.map((row) => row.html),
    rows.map((row) => row.userId),
    rows.map((row) => row.resetId),
    status,
  ]);
}

const columns = `id, event_id as "eventId", template, order_id as "orderId", user_id as "userId",
  reset_id as "resetId", recipient, subject, body_text as text,
  body_html as html, status, attempts, cause, resend_of as "resendOf", created_at as "createdAt", sent_at as "sentAt",
  extract(epoch from now() - created_at)::double precision * 1000 as "ageMs"`;

const leaseSql = `
  update notification set lease_owner = $1, leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
  where id in (
    select id from notification
    where status = 'pending' and next_attempt_at <= now() and (leased_until is null or leased_until < now())
    order by next_attempt_at limit $3 for update skip locked)
  returning ${columns}`;

/** Takes what is due. A sender that crashes loses its lease after `leaseMs`, and the mails go to another one. */
export async function leaseDue(
  database: Queryable,
  owner: string,
  leaseMs: number,
  limit: number,
): Promise<readonly NotificationRow[]> {
  return (await database.query<NotificationRow>(leaseSql, [owner, leaseMs / 1000, limit])).rows;
}

const sentSql = `
  update notification set status = 'sent', sent_at = now(), cause = null, lease_owner = null, leased_until = null
  where id = $1 and status = 'pending'`;

/** Whoever sent it: that it was sent is true even if the lease has ended meanwhile. */
export async function markSent(database: Queryable, id: string): Promise<void> {
  await database.query(sentSql, [id]);
}

const laterSql = `
  update notification set cause = $3, next_attempt_at = now() + make_interval(secs => $4), lease_owner = null,
    leased_until = null
  where id = $1 and lease_owner = $2 and status = 'pending'`;

export async function tryLater(
  database: Queryable,
  id: string,
  owner: string,
  cause: string,
  delayMs: number,
): Promise<void> {
  await database.query(laterSql, [id, owner, cause, delayMs / 1000]);
}

const failedSql = `
  update notification set status = 'failed', cause = $3, lease_owner = null, leased_until = null
  where id = $1 and lease_owner = $2 and status = 'pending'`;

export async function markFailed(database: Queryable, id: string, owner: string, cause: string): Promise<void> {
  await database.query(failedSql, [id, owner, cause]);
}

const resendSql = `
  insert into notification (id, event_id, template, order_id, user_id, reset_id, recipient, subject, body_text, body_html,
    status, resend_of)
  select $1, $2, template, order_id, user_id, reset_id, recipient, subject, body_text, body_html, $4, id
  from notification where id = $3
  on conflict (event_id, template) do nothing`;

export async function insertResend(
  database: Queryable,
  id: string,
  eventId: string,
  original: string,
  status: 'pending' | 'recorded',
): Promise<void> {
  await database.query(resendSql, [id, eventId, original, status]);
}

const byEventSql = `select ${columns} from notification where event_id = $1`;

export async function readByEvent(database: Queryable, eventId: string): Promise<NotificationRow | undefined> {
  return (await database.query<NotificationRow>(byEventSql, [eventId])).rows[0];
}

const readSql = `select ${columns} from notification where id = $1`;

export async function readNotification(database: Queryable, id: string): Promise<NotificationRow | undefined> {
  return (await database.query<NotificationRow>(readSql, [id])).rows[0];
}

const listSql = `
  select ${columns} from notification
  where ($1::text is null or status = $1) and ($2::text is null or id < $2) order by id desc limit $3`;

/** A statement of its own: one plan for both would not use the index on orders. */
const listOfOrderSql = `
  select ${columns} from notification
  where order_id = $4 and ($1::text is null or status = $1) and ($2::text is null or id < $2) order by id desc limit $3`;

export async function listNotifications(
  database: Queryable,
  filter: {
    readonly orderId: string | undefined;
    readonly status: string | undefined;
    readonly beforeId: string | null;
  },
  limit: number,
): Promise<readonly NotificationRow[]> {
  const { orderId, status = null, beforeId } = filter;
  const { rows } = await (orderId === undefined
    ? database.query<NotificationRow>(listSql, [status, beforeId, limit])
    : database.query<NotificationRow>(listOfOrderSql, [status, beforeId, limit, orderId]));
  return rows;
}

const sweepSql = `
  delete from notification where ctid = any (array(
    select ctid from notification
    where status <> 'pending' and created_at < now() - make_interval(secs => $1::double precision) limit $2))`;

/** Removes ended notifications that are older; answers how many. */
export function sweepNotifications(database: Queryable, keepMs: number): Promise<number> {
  return removeInParts(database, sweepSql, [keepMs / 1000]);
}
