import type { Role, SavedAddress, User } from '#contracts/users';
import type { Database, Queryable, Transaction } from '#kit/runtime';
import { removeInParts } from '#kit/store';
import type { AttemptState } from './model.ts';
import type { TokenState } from './refresh-token.ts';

/** All SQL of the users service. Times come from the caller's clock, so that what is read fits what was written. */

const userColumns = 'id, email, name, role, password_hash, credential_version, version, created_at, disabled_at';

interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly name: string | null;
  readonly role: Role;
  readonly password_hash: string;
  readonly credential_version: number;
  readonly version: number;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
}

/** A user with what only this service may see. */
export interface Account {
  readonly user: User;
  readonly passwordHash: string;
  readonly credentialVersion: number;
}

function accountOf(row: UserRow): Account {
  return { user: userOf(row), passwordHash: row.password_hash, credentialVersion: row.credential_version };
}

function userOf(row: UserRow): User {
  return {
    id: row.id,
    email: row.email,
    ...(row.name === null ? {} : { name: row.name }),
    role: row.role,
    createdAt: row.created_at.toISOString(),
    ...(row.disabled_at === null ? {} : { disabledAt: row.disabled_at.toISOString() }),
    version: row.version,
  };
}

// ---- accounts

const insertUserSql = `
  insert into user_account (id, email, email_key, name, role, password_hash, created_at)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict (email_key) do nothing
  returning ${userColumns}`;

export interface NewAccount {
  readonly id: string;
  readonly email: string;
  readonly emailKey: string;
  readonly name: string | undefined;
  readonly role: Role;
  readonly passwordHash: string;
  readonly nowMs: number;
}

/** Undefined when the e-mail has an account already. */
export async function insertAccount(tx: Transaction, account: NewAccount): Promise<Account | undefined> {
  const { rows } = await tx.query<UserRow>(insertUserSql, [
    account.id,
    account.email,
    account.emailKey,
    account.name ?? null,
    account.role,
    account.passwordHash,
    new Date(account.nowMs),
  ]);
  return rows[0] && accountOf(rows[0]);
}

const userByEmailSql = `select ${userColumns} from user_account where email_key = $1`;
const userByIdSql = `select ${userColumns} from user_account where id = $1`;
const lockUserSql = `select ${userColumns} from user_account where id = $1 for no key update`;

async function oneAccount(queryable: Queryable, sql: string, value: string): Promise<Account | undefined> {
  const { rows } = await queryable.query<UserRow>(sql, [value]);
  return rows[0] && accountOf(rows[0]);
}
export const findByEmail = (queryable: Queryable, emailKey: string) => oneAccount(queryable, userByEmailSql, emailKey);
export const findById = (queryable: Queryable, id: string) => oneAccount(queryable, userByIdSql, id);
/** Holds the row until the transaction ends. */
export const lockById = (tx: Transaction, id: string) => oneAccount(tx, lockUserSql, id);

const pageSql = `
  select ${userColumns} from user_account
  where ($1::text is null or id < $1) and role = any($2::text[]) order by id desc limit $3`;
const foundSql = `
  select ${userColumns} from user_account
  where ($1::text is null or id < $1) and role = any($2::text[])
    and (id = $4 or email_key like $5 or to_tsvector('simple', coalesce(name, '')) @@ to_tsquery('simple', $6))
  order by id desc limit $3`;

export interface UserPage {
  readonly roles: readonly Role[];
  /** Left out: everybody. `nameQuery` is text search of PostgreSQL; undefined looks at no name. */
  readonly found?: {
    readonly id: string;
    readonly emailKeyPrefix: string;
    readonly nameQuery: string | undefined;
  };
  readonly beforeId: string | null;
  readonly limit: number;
}

/** Newest first: ids sort by age. */
export async function pageOfUsers(database: Database, { roles, found, beforeId, limit }: UserPage): Promise<User[]> {
  const values = [beforeId, roles, limit];
  const { rows } = found
    ? await database.query<UserRow>(foundSql, [
        ...values,
        found.id,
        `${found.emailKeyPrefix.replaceAll(/[\\%_]/g, '\\$&')}%`,
        found.nameQuery ?? '',
      ])
    : await database.query<UserRow>(pageSql, values);
  return rows.map(userOf);
}

const renameSql = `update user_account set name = $2, version = version + 1 where id = $1 returning ${userColumns}`;
const setRoleSql = `update user_account set role = $2, version = version + 1 where id = $1 returning ${userColumns}`;
const setPasswordSql = `
  update user_account set password_hash = $2, credential_version = credential_version + 1, version = version + 1
  where id = $1 returning ${userColumns}`;
const upgradeHashSql = 'update user_account set password_hash = $3 where id = $1 and credential_version = $2';
const setDisabledSql = `
  update user_account set disabled_at = $2, version = version + 1 where id = $1 returning ${userColumns}`;
const lockAdminsSql = `
  select id, role, disabled_at from user_account where role = 'admin' or id = $1 order by id for no key update`;

async function change(tx: Transaction, sql: string, id: string, value: string | Date | null): Promise<Account> {
  const { rows } = await tx.query<UserRow>(sql, [id, value]);
  return accountOf(rows[0] as UserRow);
}
export const renameUser = (tx: Transaction, id: string, name: string) => change(tx, renameSql, id, name);
export const setUserRole = (tx: Transaction, id: string, role: Role) => change(tx, setRoleSql, id, role);
/** `null` enables it again. */
export const setUserDisabled = (tx: Transaction, id: string, at: Date | null) => change(tx, setDisabledSql, id, at);
export const setPasswordHash = (tx: Transaction, id: string, hash: string) => change(tx, setPasswordSql, id, hash);

/** The same password hashed with newer parameters; nothing happens when the password was changed meanwhile. */
export async function upgradePasswordHash(database: Database, account: Account, hash: string): Promise<void> {
  await database.query(upgradeHashSql, [account.user.id, account.credentialVersion, hash]);
}

/**
 * Admins who can sign in. Taken before any of them changes, so that two can't demote each other at once. The account to be changed is locked
 * with them, in one order: on its own, afterwards, it could be one that another has promoted and locked meanwhile.
 */
export async function lockAdmins(tx: Transaction, changedId: string): Promise<string[]> {
  const { rows } = await tx.query<Pick<UserRow, 'id' | 'role' | 'disabled_at'>>(lockAdminsSql, [changedId]);
  return rows.filter((row) => row.role === 'admin' && row.disabled_at === null).map((row) => row.id);
}

// ---- sessions

const insertSessionSql = `
  insert into session (id, user_id, device, tag_key, generation, current_hash, created_at, rotated_at, expires_at, ends_at)
  select $1, account.id, $4, $5, $6, $7, $8, $8, $9, $10
  from (
    select id from user_account where id = $2 and credential_version = $3 and role = $11 and disabled_at is null for share
  ) as account`;

export interface NewSession {
  readonly account: Account;
  readonly device: string | undefined;
  readonly state: TokenState;
  readonly nowMs: number;
  readonly expiresAtMs: number;
  readonly endsAtMs: number;
}

/** False when password or role have been changed since they were looked at: the share lock makes the two take turns. */
export async function insertSession(tx: Transaction, session: NewSession): Promise<boolean> {
  const { account, device, state } = session;
  const { count } = await tx.query(insertSessionSql, [
    state.sessionId,
    account.user.id,
    account.credentialVersion,
    device ?? null,
    state.tagKey,
    state.generation,
    state.currentHash,
    new Date(session.nowMs),
    new Date(session.expiresAtMs),
    new Date(session.endsAtMs),
    account.user.role,
  ]);
  return count === 1;
}

const crowdedSql = `
  update session set ended_at = $3, ended_why = 'crowded'
  where id in (
    select id from session where user_id = $1 and ended_at is null order by created_at desc, id desc offset $2)`;

/** Ends the oldest sessions beyond `sessionsMax`. */
export async function endCrowdedSessions(tx: Transaction, userId: string, sessionsMax: number, nowMs: number) {
  await tx.query(crowdedSql, [userId, sessionsMax, new Date(nowMs)]);
}

interface SessionRow {
  readonly id: string;
  readonly user_id: string;
  readonly tag_key: Uint8Array;
  readonly generation: number;
  readonly current_hash: Uint8Array;
  readonly previous_hash: Uint8Array | null;
  readonly rotation_nonce: Uint8Array | null;
  readonly rotated_at: Date;
  readonly expires_at: Date;
  readonly ends_at: Date;
  readonly role: Role;
  readonly email: string;
}

export interface LiveSession {
  readonly userId: string;
  readonly email: string;
  readonly role: Role;
  readonly state: TokenState;
  readonly expiresAtMs: number;
  readonly endsAtMs: number;
}

const lockSessionsSql = `
  select s.id, s.user_id, s.tag_key, s.generation, s.current_hash, s.previous_hash, s.rotation_nonce, s.rotated_at,
    s.expires_at, s.ends_at, u.role, u.email
  from session s join user_account u on u.id = s.user_id
  where s.id = any($1::text[]) and s.ended_at is null and s.expires_at > $2
  order by s.id for no key update of s`;

/** Sessions under way by id, held until the transaction ends; in order, so that two batches can't deadlock. */
export async function lockSessions(
  tx: Transaction,
  ids: readonly string[],
  nowMs: number,
): Promise<Map<string, LiveSession>> {
  const { rows } = await tx.query<SessionRow>(lockSessionsSql, [ids, new Date(nowMs)]);
  return new Map(rows.map((row) => [row.id, liveSessionOf(row)]));
}

function liveSessionOf(row: SessionRow): LiveSession {
  return {
    userId: row.user_id,
    email: row.email,
    role: row.role,
    expiresAtMs: row.expires_at.getTime(),
    endsAtMs: row.ends_at.getTime(),
    state: {
      sessionId: row.id,
      tagKey: row.tag_key,
      generation: row.generation,
      currentHash: row.current_hash,
      previousHash: row.previous_hash,
      rotationNonce: row.rotation_nonce,
      rotatedAtMs: row.rotated_at.getTime(),
    },
  };
}

const rotateSql = `
  update session set generation = new.generation, current_hash = new.current_hash, previous_hash = new.previous_hash,
    rotation_nonce = new.rotation_nonce, rotated_at = new.rotated_at, expires_at = new.expires_at
  from unnest($1::text[], $2::int[], $3::bytea[], $4::bytea[], $5::bytea[], $6::timestamptz[], $7::timestamptz[])
    as new (id, generation, current_hash, previous_hash, rotation_nonce, rotated_at, expires_at)
  where session.id = new.id`;

export async function saveRotations(tx: Transaction, sessions: readonly LiveSession[]): Promise<void> {
  if (sessions.length === 0) return;
  const states = sessions.map((session) => session.state);
  await tx.query(rotateSql, [
    states.map((state) => state.sessionId),
    states.map((state) => state.generation),
    states.map((state) => state.currentHash),
    states.map((state) => state.previousHash),
    states.map((state) => state.rotationNonce),
    states.map((state) => new Date(state.rotatedAtMs)),
    sessions.map((session) => new Date(session.expiresAtMs)),
  ]);
}

export type EndedWhy = 'sign-out' | 'everywhere' | 'password' | 'reuse' | 'role' | 'disabled' | 'staff';

const endSessionsSql = `
  update session set ended_at = $2, ended_why = $3 where id = any($1::text[]) and ended_at is null`;
const endOwnSql = `
  update session set ended_at = $3, ended_why = 'sign-out' where id = $2 and user_id = $1 and ended_at is null`;
const endAllSql = `
  update session set ended_at = $3, ended_why = $4
  where user_id = $1 and ended_at is null and ($2::text is null or id <> $2)`;

export async function endSessions(tx: Queryable, ids: readonly string[], why: EndedWhy, nowMs: number): Promise<void> {
  if (ids.length > 0) await tx.query(endSessionsSql, [ids, new Date(nowMs), why]);
}

/** False when the user has no such session under way. */
export async function endOwnSession(database: Database, userId: string, sessionId: string, nowMs: number) {
  return (await database.query(endOwnSql, [userId, sessionId, new Date(nowMs)])).count === 1;
}

export async function endAllSessions(
  tx: Queryable,
  userId: string,
  options: { readonly except?: string | undefined; readonly why: EndedWhy; readonly nowMs: number },
): Promise<void> {
  await tx.query(endAllSql, [userId, options.except ?? null, new Date(options.nowMs), options.why]);
}

const endedMax = 10_000;
const endedSql = `select id from session where ended_at > $1 order by ended_at desc limit ${endedMax}`;

export async function endedSessions(database: Database, sinceMs: number): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(endedSql, [new Date(sinceMs)]);
  return rows.map(({ id }) => id);
}

const listSessionsSql = `
  select id, device, created_at, rotated_at, expires_at from session
  where user_id = $1 and ended_at is null and expires_at > $2 order by rotated_at desc, id`;

export async function listSessions(database: Database, userId: string, nowMs: number) {
  const { rows } = await database.query<{
    id: string;
    device: string | null;
    created_at: Date;
    rotated_at: Date;
    expires_at: Date;
  }>(listSessionsSql, [userId, new Date(nowMs)]);
  return rows.map((row) => ({
    id: row.id,
    ...(row.device === null ? {} : { device: row.device }),
    createdAt: row.created_at.toISOString(),
    lastUsedAt: row.rotated_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  }));
}

// ---- attempts

const touchAttemptsSql = `
  insert into attempt (bucket, count, last_at) select bucket, 0, $2 from unnest($1::text[]) as wanted (bucket)
  order by bucket on conflict do nothing`;
const lockAttemptsSql = `
  select bucket, count, last_at, blocked_until from attempt where bucket = any($1::text[]) order by bucket for update`;
const saveAttemptsSql = `
  update attempt set count = new.count, last_at = new.last_at, blocked_until = new.blocked_until
  from unnest($1::text[], $2::int[], $3::timestamptz[], $4::timestamptz[])
    as new (bucket, count, last_at, blocked_until)
  where attempt.bucket = new.bucket`;
const forgetAttemptsSql = 'delete from attempt where bucket = any($1::text[])';
const giveBackSql = `
  update attempt set count = greatest(count - 1, 0), blocked_until = null where bucket = any($1::text[])`;

export async function lockAttempts(
  tx: Transaction,
  buckets: readonly string[],
  nowMs: number,
): Promise<Map<string, AttemptState>> {
  const touched = tx.query(touchAttemptsSql, [buckets, new Date(nowMs)]);
  const locked = tx.query<{ bucket: string; count: number; last_at: Date; blocked_until: Date | null }>(
    lockAttemptsSql,
    [buckets],
  );
  const [, { rows }] = await Promise.all([touched, locked]);
  return new Map(
    rows.map((row) => [
      row.bucket,
      { count: row.count, lastAtMs: row.last_at.getTime(), blockedUntilMs: row.blocked_until?.getTime() },
    ]),
  );
}

export async function saveAttempts(tx: Transaction, states: ReadonlyMap<string, AttemptState>): Promise<void> {
  const all = [...states.values()];
  await tx.query(saveAttemptsSql, [
    [...states.keys()],
    all.map((state) => state.count),
    all.map((state) => new Date(state.lastAtMs)),
    all.map((state) => (state.blockedUntilMs === undefined ? null : new Date(state.blockedUntilMs))),
  ]);
}

/** The attempt was right: the account's failures are forgotten, the source gets back what this one cost. */
export async function forgiveAttempts(
  database: Database,
  forget: readonly string[],
  giveBack: readonly string[],
): Promise<void> {
  await Promise.all([database.query(forgetAttemptsSql, [forget]), database.query(giveBackSql, [giveBack])]);
}

// ---- password resets

const insertResetSql = `
  insert into password_reset (id, user_id, nonce, token_hash, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)`;
const dropResetsSql = 'delete from password_reset where user_id = $1';
const findResetSql = `
  select r.id, r.user_id, r.nonce, r.expires_at, u.email
  from password_reset r join user_account u on u.id = r.user_id
  where r.id = $1 and r.used_at is null and r.expires_at > $2`;
const useResetSql = `
  update password_reset set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2
  returning user_id`;
const peekResetSql = `
  select r.user_id, u.email from password_reset r join user_account u on u.id = r.user_id
  where r.token_hash = $1 and r.used_at is null and r.expires_at > $2`;

export interface NewReset {
  readonly id: string;
  readonly userId: string;
  readonly nonce: Uint8Array;
  readonly tokenHash: Uint8Array;
  readonly nowMs: number;
  readonly expiresAtMs: number;
}

/** The latest reset of a user is the only one that counts. */
export async function replaceReset(tx: Transaction, reset: NewReset): Promise<void> {
  await tx.query(dropResetsSql, [reset.userId]);
  await tx.query(insertResetSql, [
    reset.id,
    reset.userId,
    reset.nonce,
    reset.tokenHash,
    new Date(reset.nowMs),
    new Date(reset.expiresAtMs),
  ]);
}

export async function findReset(database: Database, id: string, nowMs: number) {
  const { rows } = await database.query<{
    id: string;
    user_id: string;
    nonce: Uint8Array;
    expires_at: Date;
    email: string;
  }>(findResetSql, [id, new Date(nowMs)]);
  return rows[0];
}

/** Whose reset a token is, without using it up. */
export async function peekReset(database: Database, tokenHash: Uint8Array, nowMs: number) {
  const { rows } = await database.query<{ user_id: string; email: string }>(peekResetSql, [tokenHash, new Date(nowMs)]);
  return rows[0];
}

/** Uses a reset up: of two at once, one gets the user's id. */
export async function useReset(tx: Transaction, tokenHash: Uint8Array, nowMs: number): Promise<string | undefined> {
  const { rows } = await tx.query<{ user_id: string }>(useResetSql, [tokenHash, new Date(nowMs)]);
  return rows[0]?.user_id;
}

// ---- addresses

interface AddressRow {
  readonly id: string;
  readonly label: string | null;
  readonly address: SavedAddress['address'];
  readonly version: number;
}

function addressOf(row: AddressRow): SavedAddress {
  const { id, label, address, version } = row;
  return { id, ...(label === null ? {} : { label }), address, version };
}

const listAddressesSql =
  'select id, label, address, version from address where user_id = $1 order by created_at, id limit $2';
const findAddressSql = 'select id, label, address, version from address where user_id = $1 and id = $2';
const lockAddressSql = `${findAddressSql} for update`;
const countAddressesSql = 'select count(*) as count from address where user_id = $1';
const insertAddressSql = `
  insert into address (id, user_id, label, address, created_at) values ($1, $2, $3, $4, $5)
  returning id, label, address, version`;
const replaceAddressSql = `
  update address set label = $3, address = $4, version = version + 1 where user_id = $1 and id = $2
  returning id, label, address, version`;
const deleteAddressSql = 'delete from address where user_id = $1 and id = $2';

export async function listAddresses(database: Database, userId: string, limit: number): Promise<SavedAddress[]> {
  const { rows } = await database.query<AddressRow>(listAddressesSql, [userId, limit]);
  return rows.map(addressOf);
}

export async function findAddress(database: Database, userId: string, id: string): Promise<SavedAddress | undefined> {
  const { rows } = await database.query<AddressRow>(findAddressSql, [userId, id]);
  return rows[0] && addressOf(rows[0]);
}

export async function lockAddress(tx: Transaction, userId: string, id: string): Promise<SavedAddress | undefined> {
  const { rows } = await tx.query<AddressRow>(lockAddressSql, [userId, id]);
  return rows[0] && addressOf(rows[0]);
}

export async function countAddresses(tx: Transaction, userId: string): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(countAddressesSql, [userId]);
  return rows[0]?.count ?? 0;
}

type AddressInput = { readonly label?: string | undefined; readonly address: SavedAddress['address'] };

export async function insertAddress(
  tx: Transaction,
  userId: string,
  id: string,
  input: AddressInput,
  nowMs: number,
): Promise<SavedAddress> {
  const values = [id, userId, input.label ?? null, input.address, new Date(nowMs)];
  return addressOf((await tx.query<AddressRow>(insertAddressSql, values)).rows[0] as AddressRow);
}

export async function saveAddress(tx: Transaction, userId: string, id: string, input: AddressInput) {
  const { rows } = await tx.query<AddressRow>(replaceAddressSql, [userId, id, input.label ?? null, input.address]);
  return addressOf(rows[0] as AddressRow);
}

export async function deleteAddress(tx: Transaction, userId: string, id: string): Promise<void> {
  await tx.query(deleteAddressSql, [userId, id]);
}

// ---- housekeeping

const sweepSqls = [
  `delete from session where ctid = any (array(select ctid from session where expires_at < $1 or ended_at < $1 limit $2))`,
  `delete from attempt where ctid = any (array(select ctid from attempt where last_at < $1 limit $2))`,
  `delete from password_reset where ctid = any (array(select ctid from password_reset where expires_at < $1 limit $2))`,
];

/** Forgets sessions, attempts and resets that ended before `beforeMs`. Returns rows removed. */
export async function sweep(database: Database, beforeMs: number): Promise<number> {
  let removed = 0;
  for (const sql of sweepSqls) removed += await removeInParts(database, sql, [new Date(beforeMs)]);
  return removed;
}
