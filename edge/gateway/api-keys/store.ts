import type { Queryable } from '#kit/runtime';

/** A key of a program, without the key. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly role: 'staff' | 'admin';
  readonly operations: readonly string[];
  readonly readsOnly: boolean;
  readonly perSecond: number;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

/** On which gateways hear of a key that was revoked at another. */
export const revokedChannel = 'api_key_revoked';

const columns = `id, name, prefix, role, operations, reads_only as "readsOnly", per_second as "perSecond",
  created_by as "createdBy", created_at as "createdAt", expires_at as "expiresAt", last_used_at as "lastUsedAt",
  revoked_at as "revokedAt"`;

const insertSql = `
  insert into api_key (id, name, hash, prefix, role, operations, reads_only, per_second, created_by, created_at, expires_at)
  values ($1, $2, $3, $4, $5, $6::text[], $7, $8, $9, $10, $11)`;

export async function insertKey(database: Queryable, key: ApiKey, hash: Uint8Array): Promise<void> {
  const { id, name, prefix, role, operations, readsOnly, perSecond, createdBy, createdAt, expiresAt } = key;
  const values = [id, name, hash, prefix, role, operations, readsOnly, perSecond, createdBy, createdAt, expiresAt];
  await database.query(insertSql, values);
}

export async function findKey(database: Queryable, hash: Uint8Array): Promise<ApiKey | undefined> {
  const { rows } = await database.query<ApiKey>(`select ${columns} from api_key where hash = $1`, [hash]);
  return rows[0];
}

export async function listKeys(database: Queryable, limit: number): Promise<readonly ApiKey[]> {
  const sql = `select ${columns} from api_key order by revoked_at is not null, created_at desc limit $1`;
  return (await database.query<ApiKey>(sql, [limit])).rows;
}

export async function countKeys(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    'select count(*) as count from api_key where revoked_at is null',
  );
  return Number(rows[0]?.count ?? 0);
}

/** A key that is revoked already stays as it was; every gateway is told. Undefined: there is no such key. */
export async function revokeKey(database: Queryable, id: string, by: string, at: Date): Promise<ApiKey | undefined> {
  const sql = `
    with told as (select pg_notify('${revokedChannel}', $1))
    update api_key set revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
    from told where id = $1 returning ${columns}`;
  return (await database.query<ApiKey>(sql, [id, at, by])).rows[0];
}

export async function noteUses(database: Queryable, ids: readonly string[], at: Date): Promise<void> {
  const sql = 'update api_key set last_used_at = $2 where id = any($1::text[]) and coalesce(last_used_at, $2) <= $2';
  await database.query(sql, [ids, at]);
}
