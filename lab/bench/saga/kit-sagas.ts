import type { Transaction, World } from '#kit/runtime';
import {
  createSagaEngine,
  defineSaga,
  insertSagas,
  SagaFenced,
  type SagaRecord,
  type SagaWrite,
  sagaMigrations,
  writeOwnSagas,
  writeSagas,
} from '#kit/saga';
import { allWritten, createBatchWriter, createDatabase, isInexact, migrate, Overtaken, type Verdict } from '#kit/store';
import { inputOf, noteOf, stepCount } from './hand-written.ts';

export const effectSchema = `
  create table saga_effect (saga_id text not null, step int not null, note text not null,
    created_at timestamptz not null default now(), primary key (saga_id, step))`;

type Command =
  | { readonly kind: 'accept'; readonly saga: SagaRecord }
  | { readonly kind: 'step'; readonly saga: SagaRecord; readonly step: number }
  | { readonly kind: 'progress'; readonly saga: SagaRecord };

const effectSql = `
  insert into saga_effect (saga_id, step, note) select * from unnest($1::text[], $2::int[], $3::text[])`;

type StepCommand = Extract<Command, { kind: 'step' }>;

const isStep = (command: Command): command is StepCommand => command.kind === 'step';

const isAccept = (command: Command): command is Extract<Command, { kind: 'accept' }> => command.kind === 'accept';

const sagasOf = (commands: readonly Command[]) => commands.map(({ saga }) => saga);

async function insertEffects(tx: Transaction, steps: readonly StepCommand[]): Promise<void> {
  if (steps.length === 0) return;
  await tx.query(effectSql, [
    steps.map(({ saga }) => saga.id),
    steps.map(({ step }) => step),
    steps.map(({ saga, step }) => noteOf(saga.id, step)),
  ]);
}

export interface KitSagas {
  /** Runs one saga of four local steps; resolves when its end is durable. */
  run(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Four local steps by kit/saga: each writes its effect and the saga's progress in one transaction, as a service does. */
export async function startKitSagas(url: string, world: World): Promise<KitSagas> {
  const { clock, timers, random, ids, log } = world;
  const database = createDatabase({ url, ...world });
  const doubted = new Set<string>();
  const isDoubted = ({ saga }: Command) => doubted.has(saga.id);
  const writer = createBatchWriter<Command, boolean>({
    name: 'sagas',
    database,
    clock,
    timers,
    log,
    apply: (tx, commands) => (commands.some(isDoubted) ? applyDoubted : applyOwn)(tx, commands),
    groupOf: (command) => (isDoubted(command) ? 'doubted' : 'own'),
  });

  /** As the services do: what a saga's step does is sent together with its progress, and COMMIT with both. */
  async function applyOwn(tx: Transaction, commands: readonly Command[]): Promise<Verdict<boolean>[]> {
    const moved = commands.filter((command) => !isAccept(command));
    const writes = [
      insertSagas(tx, sagasOf(commands.filter(isAccept))),
      writeOwnSagas(tx, sagasOf(moved)),
      insertEffects(tx, moved.filter(isStep)),
    ];
    tx.seal();
    try {
      await allWritten(writes);
    } catch (error) {
      for (const { saga } of moved) doubted.add(saga.id);
      throw isInexact(error) ? new Overtaken('a saga was not as this process knew it') : error;
    }
    return commands.map(() => ({ ok: true }));
  }

  /** Another may have them by now, or an attempt that seemed to fail had written them. */
  async function applyDoubted(tx: Transaction, commands: readonly Command[]): Promise<Verdict<boolean>[]> {
    await insertSagas(tx, sagasOf(commands.filter(isAccept)));
    const moved = commands.filter((command) => !isAccept(command));
    const writes = await writeSagas(tx, sagasOf(moved));
    const becameOf = new Map<Command, SagaWrite | undefined>(moved.map((command, i) => [command, writes[i]]));
    await insertEffects(
      tx,
      moved.filter(isStep).filter((command) => becameOf.get(command) === 'written'),
    );
    return commands.map((command) =>
      becameOf.get(command) === 'fenced' ? { error: new SagaFenced(command.saga.id) } : { ok: true },
    );
  }

  const definition = defineSaga<{ id: string }>({
    name: 'four-steps',
    version: 1,
    steps: Array.from({ length: stepCount }, (_, i) => ({
      kind: 'local' as const,
      name: `step-${i + 1}`,
      async run(_context, saga) {
        await writer.submit({ kind: 'step', saga, step: i + 1 });
        return { done: undefined };
      },
    })),
  });
  const engine = createSagaEngine({
    owner: ids.next('own'),
    database,
    clock,
    timers,
    random,
    log,
    definitions: [definition as never],
    save: async (saga) => void (await writer.submit({ kind: 'progress', saga })),
  });
  await engine.component.start?.();
  return {
    async run(id) {
      const saga = engine.create(definition, id, inputOf(id));
      await writer.submit({ kind: 'accept', saga });
      const { status } = await engine.run(saga);
      if (status !== 'completed') throw new Error(`saga ${id} ended as ${status}`);
    },
    async close() {
      await engine.component.drain?.();
      await writer.drain();
      await engine.component.stop?.();
      await database.close();
    },
  };
}

/** Sagas that ended long ago, as many as there are workflows beside them. */
export async function prefillKitSagas(url: string, world: World, sagas: number): Promise<void> {
  await migrate(url, [sagaMigrations]);
  const database = createDatabase({ url, ...world });
  try {
    await database.query(effectSchema);
    await database.query(
      `insert into saga (id, definition, version, status, step, input, results, journal, fence, revision)
       select 'old_' || n, 'four-steps', 1, 'completed', ${stepCount}, '{"what": "four durable steps"}', '{}',
         (select jsonb_agg(jsonb_build_object('step', 'step-' || s, 'event', 'done', 'at', 0, 'attempts', 1, 'durationMs', 1))
          from generate_series(1, ${stepCount}) s), 1, 5
       from generate_series(1, $1::int) n`,
      [sagas],
    );
    await database.query(
      `insert into saga_effect (saga_id, step, note)
       select 'old_' || n, s, 'step ' || s from generate_series(1, $1::int) n, generate_series(1, ${stepCount}) s`,
      [sagas],
    );
  } finally {
    await database.close();
  }
}
