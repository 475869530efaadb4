import { hash } from 'node:crypto';
import type { Queryable, Transaction } from '#kit/runtime';
import { exactly, type Migrations, removeInParts } from '#kit/store';

/** The table that this capability needs in the database of whoever uses it. */
export const idempotencyMigrations: Migrations = {
  directory: `${import.meta.dirname}/schema`,
  table: 'schema_idempotency',
};

export interface Claim {
  /** Who asks: results are never shown to another scope. */
  readonly scope: string;
  readonly key: string;
  /** See `fingerprintOf`. */
  readonly fingerprint: string;
  /** Id of what the operation makes, so that a repeat can wait for it. */
  readonly reference?: string;
}

/**
 * What became of a claim. `claimed`: go on and do the work in this transaction. `done`: it was done before, this is its
 * result. `in-flight`: someone is at it. `mismatch`: the key was used with another payload.
 */
export type ClaimState =
  | { readonly state: 'claimed' }
  | { readonly state: 'done'; readonly result: unknown }
  | { readonly state: 'in-flight'; readonly reference: string | undefined }
  | { readonly state: 'mismatch' };

/** A hash of a payload. Key order counts: a repeat by the same program sends the same text. */
export function fingerprintOf(payload: unknown): string {
  return hash('sha256', JSON.stringify(payload) ?? '', 'base64url').slice(0, 22);
}

const insertSql = `
  insert into idempotency_key (scope, key, fingerprint, reference)
  select scope, key, fingerprint, reference
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as claim (scope, key, fingerprint, reference)
  order by scope, key
  on conflict do nothing`;

const claimSql = `${insertSql} returning scope, key`;
const claimNewSql = exactly(insertSql, '$5');

const lookUpSql = `
  select scope, key, fingerprint, reference, result
  from idempotency_key join unnest($1::text[], $2::text[]) as wanted (scope, key) using (scope, key)`;

/**
 * Claims many keys in the transaction of their effects. Of two claims for one key in the same call the first wins. A
 * claim held by another transaction is waited for: its outcome decides. Keys are taken in order, so that two batches
 * can't deadlock (as long as each transaction claims all its keys in one call).
 */
export async function claimKeys(tx: Transaction, claims: readonly Claim[]): Promise<ClaimState[]> {
  if (claims.length === 0) return [];
  const firsts = new Map<string, Claim>();
  for (const claim of claims) if (!firsts.has(nameOf(claim))) firsts.set(nameOf(claim), claim);
  const values = insertValues([...firsts.values()]);
  const inserted = await tx.query<{ scope: string; key: string }>(claimSql, values);
  const fresh = new Set(inserted.rows.map(nameOf));
  const states: (ClaimState | undefined)[] = claims.map((claim) =>
    fresh.delete(nameOf(claim)) ? { state: 'claimed' } : undefined,
  );
  if (states.every((state) => state !== undefined)) return states as ClaimState[];

  const found = await tx.query<FoundKey>(lookUpSql, values.slice(0, 2));
  const known = new Map(found.rows.map((row) => [nameOf(row), row]));
  return claims.map((claim, i) => states[i] ?? stateOf(claim, known.get(nameOf(claim))));
}

/**
 * Claims keys that are taken to be new and differ from one another, so that all that follows can be sent with them. Where
 * one is not new the statement fails (`isInexact`), and the transaction has to run again with `claimKeys`.
 */
export async function claimNewKeys(tx: Transaction, claims: readonly Claim[]): Promise<void> {
  if (claims.length > 0) await tx.query(claimNewSql, [...insertValues(claims), claims.length]);
}

function insertValues(claims: readonly Claim[]): (string | null)[][] {
  return [
    claims.map((claim) => claim.scope),
    claims.map((claim) => claim.key),
    claims.map((claim) => claim.fingerprint),
    claims.map((claim) => claim.reference ?? null),
  ];
}

interface FoundKey {
  readonly scope: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly reference: string | null;
  readonly result: unknown;
}

function stateOf(claim: Claim, row: FoundKey | undefined): ClaimState {
  // It was swept between our two statements: nobody has the key any more, so the caller may try again.
  if (!row) return { state: 'in-flight', reference: undefined };
  if (row.fingerprint !== claim.fingerprint) return { state: 'mismatch' };
  if (row.result !== null) return { state: 'done', result: row.result };
  return { state: 'in-flight', reference: row.reference ?? undefined };
}

/** What became of a key, for whoever will not claim it (any more). Undefined: no transaction that is committed has claimed it. */
export async function readClaim(database: Queryable, claim: Claim): Promise<ClaimState | undefined> {
  const { rows } = await database.query<FoundKey>(lookUpSql, [[claim.scope], [claim.key]]);
  return rows[0] && stateOf(claim, rows[0]);
}

/** One string for the pair, and never the same for two pairs. */
function nameOf({ scope, key }: { readonly scope: string; readonly key: string }): string {
  return `${scope.length}:${scope}${key}`;
}

export interface Completion {
  readonly scope: string;
  readonly key: string;
  /** Any JSON value but null, which means "under way". */
  readonly result: unknown;
}

const completeSql = `
  update idempotency_key set result = done.result, completed_at = now()
  from unnest($1::text[], $2::text[], $3::json[]) as done (scope, key, result)
  where idempotency_key.scope = done.scope and idempotency_key.key = done.key and idempotency_key.result is null`;

/** Records results in the transaction that ends the operations. A result, once there, never changes. */
export async function completeKeys(tx: Transaction, completions: readonly Completion[]): Promise<void> {
  if (completions.length === 0) return;
  for (const { scope, key, result } of completions) {
    if (result === null || result === undefined) throw new Error(`completeKeys: ${scope} ${key} has no result`);
  }
  await tx.query(completeSql, [
    completions.map((completion) => completion.scope),
    completions.map((completion) => completion.key),
    completions.map((completion) => JSON.stringify(completion.result)),
  ]);
}

/** What was recorded under a key; undefined while the operation is under way, and where there is none. */
export async function readResult(
  database: Queryable,
  { scope, key }: { readonly scope: string; readonly key: string },
): Promise<unknown> {
  const { rows } = await database.query<{ result: unknown }>(
    'select result from idempotency_key where scope = $1 and key = $2',
    [scope, key],
  );
  return rows[0]?.result ?? undefined;
}

const sweepSql = `
  delete from idempotency_key where ctid = any (array(
    select ctid from idempotency_key
    where result is not null
      and completed_at < now() - make_interval(secs => $1::double precision)
      -- Follows from the line above; said for the index, which orders rows by age.
      and created_at < now() - make_interval(secs => $1::double precision)
    limit $2))`;

/**
 * Forgets results `keepMs` after they were recorded. Operations under way are kept however old they are. Returns the rows
 * removed, at most 500,000: call it periodically.
 */
export function sweepKeys(database: Queryable, keepMs: number): Promise<number> {
  return removeInParts(database, sweepSql, [keepMs / 1000]);
}

/** How long results are kept by default: three days outlast any client's retries and a long weekend. */
export const keepMsDefault = 72 * 3600 * 1000;
