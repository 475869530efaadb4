import type { Queryable } from '#kit/runtime';
import { replaceInSql } from '../../simulator/bugs/rewire.ts';
import type { Parts } from '../parts.ts';
import type { Bug } from './index.ts';

export const messagingBugs: readonly Bug[] = [
  {
    name: 'relay-by-cursor',
    summary: 'the relay reads `id > last` and so passes over a row that was committed late',
    workload: 'outbox',
    breaks: /no event is lost/,
    roundsMax: 100,
    parts: { createRelay: createCursorRelay },
  },
  {
    name: 'relay-skips-locked-rows',
    summary: 'the relay reads its rows with SKIP LOCKED and moves a cursor past those that another one had locked',
    workload: 'outbox',
    breaks: /no event is lost|in the order/,
    roundsMax: 40,
    parts: { createRelay: createSkippingRelay },
  },
  {
    name: 'append-without-version',
    summary: 'the log takes an append whatever version the relay expected, so two relays append the same rows',
    workload: 'outbox',
    breaks: /no event is there twice/,
    roundsMax: 40,
    rewrite: replaceInSql(/^\s*update log_producer p set version/, (text) =>
      text.replace('and p.version = a.version', ''),
    ),
  },
  {
    name: 'position-without-fence',
    summary: 'a member moves the position of a partition whoever holds it by now, and from wherever it stands',
    workload: 'consumers',
    breaks: /applied once/,
    roundsMax: 100,
    rewrite: replaceInSql(/^\s*update inbox_position p set next_offset/, (text) =>
      text.replace('and p.generation = m.generation and p.next_offset = m.from_offset', ''),
    ),
  },
  {
    name: 'offsets-not-locked',
    summary: 'writers of the log read the next offset without the lock on the partition',
    workload: 'outbox',
    breaks: /unexpectedly|gaps|twice|lost/,
    roundsMax: 40,
    rewrite: replaceInSql(/from log_partition where topic = \$1 and partition = any/, (text) =>
      text.replace('for update', ''),
    ),
  },
];

type CreateRelay = Parts['createRelay'];

const cursorSql = `
  insert into lab_cursor values ('relay', 0) on conflict (name) do update set last = lab_cursor.last
  returning last`;
const afterSql = `select id, envelope from outbox where id > $1 order by id limit 8`;

interface OutboxRow {
  readonly id: number;
  readonly envelope: never;
}

/** The cursor is a row that relays lock, so they take turns: all is well but the cursor itself. */
function createCursorRelay({ source, database, log }: Parameters<CreateRelay>[0]): ReturnType<CreateRelay> {
  return {
    turn: () =>
      database.transaction(async (tx) => {
        const last = (await tx.query<{ last: number }>(cursorSql)).rows[0]?.last ?? 0;
        const { rows } = await tx.query<OutboxRow>(afterSql, [last]);
        return relayed(tx, rows, () =>
          log.append(
            source,
            rows.map((row) => row.envelope),
          ),
        );
      }),
    leave: async () => {},
  };
}

/** No row for the cursor to lock: each relay takes what no other has locked, and says how far it came. */
function createSkippingRelay({ source, database, log }: Parameters<CreateRelay>[0]): ReturnType<CreateRelay> {
  return {
    turn: () =>
      database.transaction(async (tx) => {
        const { rows: cursor } = await tx.query<{ last: number }>(`select last from lab_cursor where name = 'relay'`);
        const { rows } = await tx.query<OutboxRow>(`${afterSql} for update skip locked`, [cursor[0]?.last ?? 0]);
        return relayed(tx, rows, () =>
          log.append(
            source,
            rows.map((row) => row.envelope),
          ),
        );
      }),
    leave: async () => {},
  };
}

async function relayed(tx: Queryable, rows: readonly OutboxRow[], append: () => Promise<void>) {
  const last = rows.at(-1)?.id;
  if (last === undefined) return 'idle';
  await append();
  await tx.query(
    `insert into lab_cursor values ('relay', $1)
     on conflict (name) do update set last = greatest(lab_cursor.last, excluded.last)`,
    [last],
  );
  return 'again';
}
