import pg from 'pg';

/**
 * Four durable steps as one writes them by hand: progress and effect in one transaction a step, committed before the
 * next one begins, so that a crash anywhere loses nothing. The tables are those that the sagas beside it write to, in
 * the width that a hand-written workflow would give them.
 */
export const handWrittenSchema = `
  create table workflow (id text primary key, status text not null, step int not null, input jsonb not null,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()) with (fillfactor = 80);
  create table workflow_effect (workflow_id text not null, step int not null, note text not null,
    created_at timestamptz not null default now(), primary key (workflow_id, step));`;

export const stepCount = 4;
export const noteOf = (id: string, step: number): string => `step ${step} of ${id}`;
export const inputOf = (id: string) => ({ id, what: 'four durable steps' });

export async function prefillHandWritten(url: string, workflows: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(handWrittenSchema);
    await client.query(
      `insert into workflow (id, status, step, input)
       select 'old_' || n, 'completed', ${stepCount}, '{"what": "four durable steps"}' from generate_series(1, $1::int) n`,
      [workflows],
    );
    await client.query(
      `insert into workflow_effect (workflow_id, step, note)
       select 'old_' || n, s, 'step ' || s from generate_series(1, $1::int) n, generate_series(1, ${stepCount}) s`,
      [workflows],
    );
  } finally {
    await client.end();
  }
}

export type Workflow = (client: pg.PoolClient, id: string) => Promise<void>;

const startSql = `insert into workflow (id, status, step, input) values ($1, 'running', 0, $2)`;
const effectSql = 'insert into workflow_effect (workflow_id, step, note) values ($1, $2, $3)';
const progressSql = 'update workflow set step = $2, status = $3, updated_at = now() where id = $1';

/** BEGIN, one statement a row, COMMIT: for the start and for each of the four steps. */
export const commitPerStep: Workflow = async (client, id) => {
  await client.query({ name: 'start', text: startSql, values: [id, inputOf(id)] });
  for (let step = 1; step <= stepCount; step++) {
    await client.query('begin');
    await client.query({ name: 'effect', text: effectSql, values: [id, step, noteOf(id, step)] });
    await client.query({ name: 'progress', text: progressSql, values: [id, step, statusAt(step)] });
    await client.query('commit');
  }
};

const bothSql = `
  with effect as (insert into workflow_effect (workflow_id, step, note) values ($1, $2, $4))
  update workflow set step = $2, status = $3, updated_at = now() where id = $1`;

/** The same rows and commits in as few round trips as there can be: one statement a step, which commits by itself. */
export const statementPerStep: Workflow = async (client, id) => {
  await client.query({ name: 'start', text: startSql, values: [id, inputOf(id)] });
  for (let step = 1; step <= stepCount; step++) {
    await client.query({ name: 'both', text: bothSql, values: [id, step, statusAt(step), noteOf(id, step)] });
  }
};

const statusAt = (step: number): string => (step === stepCount ? 'completed' : 'running');
