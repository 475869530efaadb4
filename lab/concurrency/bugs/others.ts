import type { ClaimState, claimKeys } from '#kit/idempotency';
import type { takeOverSagas } from '#kit/saga';
import { migrateWith } from '#kit/store';
import { replaceInSql } from '../../simulator/bugs/rewire.ts';
import type { Bug } from './index.ts';

export const otherBugs: readonly Bug[] = [
  {
    name: 'claim-after-look-up',
    summary: 'a key is looked up, found free, and only then written: two requests both do the work',
    workload: 'claims',
    breaks: /one result per key/,
    roundsMax: 40,
    parts: { claimKeys: lookUpThenClaim },
  },
  {
    name: 'claims-unordered',
    summary: 'keys are claimed in the order in which the request named them',
    workload: 'claims',
    breaks: /no deadlocks/,
    roundsMax: 40,
    rewrite: replaceInSql(/insert into idempotency_key .* order by scope, key/s, (text) =>
      text.replace('order by scope, key', ''),
    ),
  },
  {
    name: 'skip-locked-too-short',
    summary: 'orphans are found with FOR UPDATE SKIP LOCKED in one statement and taken in the next: the lock is gone',
    workload: 'sagas',
    breaks: /one holder of a lease/,
    roundsMax: 40,
    parts: { takeOverSagas: takeOverInTwoStatements },
  },
  {
    name: 'write-without-fence',
    summary: 'progress of a saga is written whoever has taken it over meanwhile',
    workload: 'sagas',
    breaks: /earlier holder|effect once|one fact/,
    roundsMax: 100,
    rewrite: replaceInSql(/update saga set status = wanted.status/, (text) =>
      text.replace('saga.fence = wanted.fence and', ''),
    ),
  },
  {
    name: 'order-not-locked',
    summary: 'an order is read without a lock, so two people refund the same money and one refund is forgotten',
    workload: 'orders',
    breaks: /no refund is lost|provider has what the order says|what was told is there/,
    roundsMax: 100,
    rewrite: replaceInSql(/from customer_order o where o.id = any/, (text) => text.replace('for update', '')),
  },
  {
    name: 'token-not-locked',
    summary: 'a session is read without a lock, so two rotations of one refresh token overwrite each other',
    workload: 'refresh',
    breaks: /one child per refresh token/,
    roundsMax: 40,
    rewrite: replaceInSql(/from session s join user_account u/, (text) => text.replace('for no key update of s', '')),
  },
  {
    name: 'admins-not-locked',
    summary: 'admins are counted without a lock: two demote each other, each leaving the other (write skew)',
    workload: 'admins',
    breaks: /always an admin/,
    roundsMax: 150,
    rewrite: replaceInSql(/from user_account where role = 'admin' or id = \$1/, (text) =>
      text.replace('for no key update', ''),
    ),
  },
  {
    name: 'lost-update',
    summary: 'a list is read, added to in the application, and written back',
    workload: 'lists',
    breaks: /incompatible-order|internal/,
    roundsMax: 100,
    parts: {
      async appendToList(tx, key, element) {
        await tx.query('insert into lab_list values ($1) on conflict do nothing', [key]);
        const { rows } = await tx.query<{ list: number[] }>('select list from lab_list where key = $1', [key]);
        await tx.query('update lab_list set list = $2 where key = $1', [key, [...(rows[0]?.list ?? []), element]]);
      },
    },
  },
  {
    name: 'migrations-without-lock',
    summary: 'instances that start together do not wait for one another to migrate',
    workload: 'start-up',
    breaks: /unexpectedly/,
    roundsMax: 5,
    parts: {
      migrateWith: (execute, sequences) =>
        migrateWith(async (sql) => (/pg_advisory/.test(sql) ? { rows: [] } : execute(sql)), sequences),
    },
  },
];

async function lookUpThenClaim(...[tx, wanted]: Parameters<typeof claimKeys>): Promise<ClaimState[]> {
  const states: ClaimState[] = [];
  for (const { scope, key, fingerprint } of wanted) {
    const { rows } = await tx.query<{ fingerprint: string; result: unknown }>(
      'select fingerprint, result from idempotency_key where scope = $1 and key = $2',
      [scope, key],
    );
    const [known] = rows;
    if (!known) {
      await tx.query(
        'insert into idempotency_key (scope, key, fingerprint) values ($1, $2, $3) on conflict do nothing',
        [scope, key, fingerprint],
      );
      states.push({ state: 'claimed' });
    } else if (known.fingerprint !== fingerprint) states.push({ state: 'mismatch' });
    else if (known.result === null) states.push({ state: 'in-flight', reference: undefined });
    else states.push({ state: 'done', result: known.result });
  }
  return states;
}

async function takeOverInTwoStatements(
  ...[database, owner, known, max]: Parameters<typeof takeOverSagas>
): ReturnType<typeof takeOverSagas> {
  const { rows } = await database.query<{ id: string; fence: number }>(
    `select id, fence from saga where status = 'running' and (definition || '@' || version) = any ($1::text[])
       and not exists (select from saga_owner where saga_owner.owner = saga.owner and expires_at > now())
     order by created_at limit $2 for update skip locked`,
    [known, max],
  );
  const taken = await database.query<never>(
    `update saga set owner = $1, fence = found.fence + 1 from unnest($2::text[], $3::int[]) as found (id, fence)
     where saga.id = found.id returning saga.*`,
    [owner, rows.map(({ id }) => id), rows.map(({ fence }) => fence)],
  );
  return taken.rows;
}
