import type { Database, Queryable, SqlValue, Transaction } from '#kit/runtime';
import { exactly, type Migrations } from '#kit/store';
import type { Refusal } from './definition.ts';
import { isEnded, type JournalEntry, revisionBlock, type SagaRecord, type SagaStatus } from './record.ts';

export const sagaMigrations: Migrations = { directory: `${import.meta.dirname}/schema`, table: 'schema_saga' };

/** Another instance has taken the saga over: whoever gets this must stop working on it. */
export class SagaFenced extends Error {
  constructor(id: string) {
    super(`saga ${id} was taken over by another instance`);
    this.name = 'SagaFenced';
  }
}

/** The saga moved on each time that advice for it was about to be written. Ask again. */
export class SagaBusy extends Error {
  readonly category = 'conflict';
  readonly retry = { afterMs: 100 };

  constructor(id: string) {
    super(`saga ${id} moves too fast to be changed: try again`);
    this.name = 'SagaBusy';
  }
}

const insertSql = `
  insert into saga (id, definition, version, status, step, input, results, journal, cause, fence, revision, owner)
  select id, definition, version, status, step, input, results, journal, nullif(cause::text, 'null')::json, fence, revision, owner
  from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::int[], $6::jsonb[], $7::json[], $8::json[],
    $9::json[], $10::int[], $11::int[], $12::text[])
    as new (id, definition, version, status, step, input, results, journal, cause, fence, revision, owner)
  on conflict (id) do nothing`;

/** Adds new sagas in the transaction that accepts their work. A repeat (same id) is left as it is. */
export async function insertSagas(tx: Transaction, sagas: readonly SagaRecord[]): Promise<void> {
  if (sagas.length === 0) return;
  await tx.query(insertSql, [
    sagas.map((saga) => saga.id),
    sagas.map((saga) => saga.definition),
    sagas.map((saga) => saga.version),
    sagas.map((saga) => saga.status),
    sagas.map((saga) => saga.step),
    sagas.map((saga) => JSON.stringify(saga.input)),
    sagas.map((saga) => JSON.stringify(saga.results)),
    sagas.map((saga) => JSON.stringify(saga.journal)),
    sagas.map((saga) => JSON.stringify(saga.cause)),
    sagas.map((saga) => saga.fence),
    sagas.map((saga) => saga.revision),
    sagas.map((saga) => saga.owner),
  ]);
}

const updateSql = `
  update saga set status = wanted.status, step = wanted.step, results = wanted.results, journal = wanted.journal,
    cause = nullif(wanted.cause::text, 'null')::json, revision = wanted.revision, owner = wanted.owner,
    wake_at = now() + make_interval(secs => wanted.wake_after_ms / 1000), updated_at = now()
  from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::int[], $6::json[], $7::json[], $8::json[],
    $9::text[], $10::double precision[])
    as wanted (id, fence, revision, status, step, results, journal, cause, owner, wake_after_ms)
  where saga.id = wanted.id and saga.fence = wanted.fence and saga.revision < wanted.revision`;

const writeSql = `${updateSql} returning saga.id`;
const writeOwnSql = exactly(updateSql, '$11');

const standingSql = `select id, fence, revision from saga where id = any ($1::text[])`;

/**
 * `written`: this progress is new. `stands`: it, or later progress of the same owner, was written before. `fenced`: the
 * saga belongs to someone else now.
 */
export type SagaWrite = 'written' | 'stands' | 'fenced';

/**
 * Writes progress under the fencing token of each record, and tells for each, in order, what became of it. Effects that
 * go with the progress may be written only where it says `written`.
 */
export async function writeSagas(tx: Transaction, sagas: readonly SagaRecord[]): Promise<SagaWrite[]> {
  if (sagas.length === 0) return [];
  const newest = newestOf(sagas);
  const wanted = [...newest.values()].map((i) => sagas[i] as SagaRecord);
  const written = await tx.query<{ id: string }>(writeSql, updateValues(wanted));
  const done = new Set(written.rows.map((row) => row.id));
  const missed = wanted.filter((saga) => !done.has(saga.id)).map((saga) => saga.id);
  const standing = missed.length === 0 ? [] : (await tx.query<Standing>(standingSql, [missed])).rows;
  const rows = new Map(standing.map((row) => [row.id, row]));
  return sagas.map((saga, i) => {
    const first = newest.get(saga.id) as number;
    if (done.has(saga.id) && first === i) return 'written';
    const row = done.has(saga.id) ? (sagas[first] as SagaRecord) : rows.get(saga.id);
    return row?.fence === saga.fence && row.revision >= saga.revision ? 'stands' : 'fenced';
  });
}

/**
 * Writes progress of different sagas that are taken to be this process's own still, so that its effects can be sent with
 * it. Where one is not, or its progress stands already, the statement fails (`isInexact`), and the transaction has to run
 * again with `writeSagas`.
 */
export async function writeOwnSagas(tx: Transaction, sagas: readonly SagaRecord[]): Promise<void> {
  if (sagas.length > 0) await tx.query(writeOwnSql, [...updateValues(sagas), sagas.length]);
}

function updateValues(sagas: readonly SagaRecord[]): SqlValue[] {
  return [
    sagas.map((saga) => saga.id),
    sagas.map((saga) => saga.fence),
    sagas.map((saga) => saga.revision),
    sagas.map((saga) => saga.status),
    sagas.map((saga) => saga.step),
    sagas.map((saga) => JSON.stringify(saga.results)),
    sagas.map((saga) => JSON.stringify(saga.journal)),
    sagas.map((saga) => JSON.stringify(saga.cause)),
    sagas.map((saga) => (isEnded(saga) ? null : saga.owner)),
    sagas.map((saga) => saga.wakeAfterMs ?? null),
  ];
}

/** Of several records of one saga only the newest is written: of the highest fence, and with that the highest revision. */
function newestOf(sagas: readonly SagaRecord[]): Map<string, number> {
  const newest = new Map<string, number>();
  sagas.forEach((saga, i) => {
    const other = sagas[newest.get(saga.id) ?? -1];
    if (!other || other.fence < saga.fence || (other.fence === saga.fence && other.revision < saga.revision)) {
      newest.set(saga.id, i);
    }
  });
  return newest;
}

interface Standing {
  readonly id: string;
  readonly fence: number;
  readonly revision: number;
}

const renewSql = `
  insert into saga_owner (owner, expires_at) values ($1, now() + make_interval(secs => $2::double precision))
  on conflict (owner) do update set expires_at = excluded.expires_at`;

export async function renewOwner(database: Queryable, owner: string, leaseMs: number): Promise<void> {
  await database.query(renewSql, [owner, leaseMs / 1000]);
}

/** On an orderly stop: sagas not ended are free at once. Long dead owners are forgotten on the way. */
export async function releaseOwner(database: Queryable, owner: string): Promise<void> {
  await database.query(`delete from saga_owner where owner = $1 or expires_at < now() - interval '1 day'`, [owner]);
}

const columns = 'id, definition, version, status, step, input, results, journal, cause, fence, revision, owner';

// The database's clock alone decides whether a lease has ended: no two machines' clocks are compared. The row lock makes
// sure that two instances never take the same saga with the same token.
const takeOverSql = `
  with orphans as (
    select saga.id from saga
    where saga.status in ('running', 'compensating')
      and (saga.wake_at is null or saga.wake_at <= now())
      and not exists (select from saga_owner where saga_owner.owner = saga.owner and saga_owner.expires_at > now())
      and (saga.definition || '@' || saga.version) = any ($2::text[])
    order by saga.created_at
    limit $3
    for update of saga skip locked
  )
  update saga set owner = $1, fence = saga.fence + 1, wake_at = null, updated_at = now()
  from orphans where saga.id = orphans.id
  returning ${columns.replaceAll(/\w+/g, 'saga.$&')}`;

/** Takes over up to `max` sagas whose owner's lease has ended, of the definitions this instance knows. */
export async function takeOverSagas(
  database: Queryable,
  owner: string,
  known: readonly string[],
  max: number,
): Promise<readonly SagaRecord[]> {
  const { rows } = await database.query<SagaRecord>(takeOverSql, [owner, known, max]);
  return rows;
}

const adoptSql = `
  with forgotten as (
    select saga.id from saga
    where saga.owner = $1 and saga.status in ('running', 'compensating') and not saga.id = any ($2::text[])
      and saga.updated_at < now() - make_interval(secs => $3::double precision)
      and (saga.definition || '@' || saga.version) = any ($4::text[])
    order by saga.created_at
    limit $5
    for update of saga skip locked
  )
  update saga set fence = saga.fence + 1, updated_at = now()
  from forgotten where saga.id = forgotten.id
  returning ${columns.replaceAll(/\w+/g, 'saga.$&')}`;

/**
 * Sagas that are this owner's by the table, but that it does not run: their commit, or their takeover, was answered by a
 * broken connection. Nobody else would ever take them, as their owner lives. `active` are those it does run.
 */
export async function adoptSagas(
  database: Queryable,
  owner: string,
  active: readonly string[],
  known: readonly string[],
  options: { readonly idleMs: number; readonly max: number },
): Promise<readonly SagaRecord[]> {
  const values = [owner, active, options.idleMs / 1000, known, options.max];
  return (await database.query<SagaRecord>(adoptSql, values)).rows;
}

export interface SagaListItem {
  readonly id: string;
  readonly definition: string;
  readonly version: number;
  readonly status: SagaStatus;
  readonly step: number;
  readonly cause: unknown;
  readonly owner: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const listSql = `
  select id, definition, version, status, step, cause, owner, created_at as "createdAt", updated_at as "updatedAt"
  from saga
  where ($1::text is null or status = $1) and ($2::text is null or id > $2)
  order by id limit $3`;

/** Sagas by status, oldest first; `after` is the id that the page before ended with. */
export async function listSagas(
  database: Queryable,
  filter: { readonly status?: SagaStatus; readonly after?: string; readonly limit: number },
): Promise<readonly SagaListItem[]> {
  const { rows } = await database.query<SagaListItem>(listSql, [
    filter.status ?? null,
    filter.after ?? null,
    filter.limit,
  ]);
  return rows;
}

export async function inspectSaga(database: Queryable, id: string): Promise<SagaRecord | undefined> {
  const { rows } = await database.query<SagaRecord>(`select ${columns} from saga where id = $1`, [id]);
  return rows[0];
}

const retakeSql = `
  update saga set fence = fence + 1, updated_at = now() where id = $1 and fence = $2 and owner = $3
  returning ${columns}`;

/**
 * Takes a saga again that is ours, under a new fencing token, and tells how it stands. From then on none of our earlier
 * writes, still on their way, can change it. Undefined when it is ours no longer.
 */
export async function retakeSaga(
  database: Queryable,
  { id, fence, owner }: Pick<SagaRecord, 'id' | 'fence' | 'owner'>,
): Promise<SagaRecord | undefined> {
  const { rows } = await database.query<SagaRecord>(retakeSql, [id, fence, owner]);
  return rows[0];
}

const adviseSql = `
  update saga set status = $2, step = $3, owner = null, fence = fence + 1, wake_at = null, updated_at = now(),
    revision = (revision / ${revisionBlock} + 1) * ${revisionBlock}, cause = coalesce(cause, $4::json),
    journal = (journal::jsonb || ($5::jsonb || jsonb_build_object('at', floor(extract(epoch from now()) * 1000))))::json
  where id = $1 and revision = $6 and fence = $7
  returning id`;

interface Advice {
  readonly status: SagaStatus;
  readonly step: number;
  readonly cause?: Refusal;
  readonly entry: Pick<JournalEntry, 'event' | 'detail'> & Partial<Pick<JournalEntry, 'step'>>;
}

/** How often advice is thought over when the saga moves meanwhile. */
const adviceAttemptsMax = 10;

/** What a service records of a saga that is closed, in the transaction that closes it; `saga` is as it stood before. */
export type OnAbandoned = (tx: Transaction, saga: SagaRecord) => Promise<void>;

/** Changes a saga from outside and frees it from its owner, whose next write will be refused. */
async function advise(
  database: Database,
  id: string,
  decide: (saga: SagaRecord) => Advice | undefined,
  onAbandoned: OnAbandoned = async () => {},
): Promise<boolean> {
  for (let attempt = 1; attempt <= adviceAttemptsMax; attempt++) {
    const saga = await inspectSaga(database, id);
    const advice = saga && decide(saga);
    if (!advice) return false;
    const { status, step, cause = null, entry } = advice;
    const values = [id, status, step, cause, { step: '', ...entry }, saga.revision, saga.fence];
    const isTaken = await database.transaction(async (tx) => {
      if ((await tx.query(adviseSql, values)).count !== 1) return false;
      if (status === 'abandoned') await onAbandoned(tx, saga);
      return true;
    });
    if (isTaken) return true;
  }
  throw new SagaBusy(id);
}

/** Frees a stuck saga so that an instance tries its step again. False when it was not stuck. */
export function resumeSaga(database: Database, id: string, who: string): Promise<boolean> {
  return advise(database, id, (saga) => {
    if (saga.status !== 'stuck') return undefined;
    const status = saga.journal.at(-1)?.stuckWhile ?? 'running';
    return { status, step: saga.step, entry: { event: 'resumed', detail: `by ${who}` } };
  });
}

/**
 * Gives a saga up. Up to `turningPoint` (see `turningPointOf`) it turns round and compensates; past it nothing can be
 * undone, so it is closed as `abandoned` with the reason, for people to settle, together with what `onAbandoned` writes;
 * where that throws the saga stays as it was. One that is stuck because a compensation was refused leaves that one step as
 * it is, undoes the others, records its refusal and ends as `abandoned` too. False when it had ended already.
 */
export function abandonSaga(
  database: Database,
  id: string,
  turningPoint: number,
  who: string,
  reason: string,
  onAbandoned?: OnAbandoned,
): Promise<boolean> {
  const decide = (saga: SagaRecord): Advice | undefined => {
    if (isEnded(saga)) return undefined;
    const cause = { reason: 'abandoned', detail: reason };
    const entry = { event: 'abandoned', detail: `by ${who}: ${reason}` } as const;
    const last = saga.journal.at(-1);
    if (saga.status === 'stuck' && last?.stuckWhile === 'compensating') {
      return { status: 'compensating', step: saga.step - 1, cause, entry: { ...entry, step: last.step } };
    }
    return {
      status: saga.step > turningPoint ? 'abandoned' : 'compensating',
      // Its owner may be further than the record, which is written behind: all that can be undone is undone.
      step: saga.status === 'running' ? Math.max(saga.step, turningPoint) : saga.step,
      cause,
      entry,
    };
  };
  return advise(database, id, decide, onAbandoned);
}
