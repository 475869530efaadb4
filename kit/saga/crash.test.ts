import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import {
  abandonSaga,
  defineSaga,
  inspectSaga,
  isEnded,
  type SagaDefinition,
  type SagaRecord,
  sagaMigrations,
  turningPointOf,
} from './index.ts';
import {
  accept,
  createNode,
  createRemoteService,
  type Fate,
  forgetOwner,
  insertEffect,
  type Moment,
  type Node,
  type RemoteService,
  recordEffect,
  untilSettled,
} from './testing/index.ts';

// Every way in which an instance can die or stall while it runs a saga, against what must hold whatever happens.

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
let database: Database;
let sagas = 0;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, [sagaMigrations]);
  database = createDatabase({ url, ...world, connectionsMax: 4 });
  await database.query('create table effect (saga text not null, name text not null)');
});

afterAll(() => database.close());

/** The steps of a saga and which of them refuses, if any. */
interface Plan {
  readonly kinds: readonly ('remote' | 'local')[];
  readonly pivot: number;
  readonly refuses: number | undefined;
  /** A step that changes its mind: what a remote one did is gone at a repeat, a local one refuses its second attempt. */
  readonly fickle?: number | undefined;
}

const nameOf = (i: number) => `step-${i}`;

interface Variant {
  readonly remote?: RemoteService;
  readonly record?: typeof recordEffect;
}

function define(plan: Plan, remote: RemoteService, record: typeof recordEffect, { at }: Pick<Node, 'at'>) {
  const steps = plan.kinds.map((kind, i) => {
    const name = nameOf(i);
    const refuse = plan.refuses === i;
    const retry = { delayMs: 1, delayMsMax: 2 };
    if (kind === 'local') {
      return {
        kind,
        name,
        retry,
        run: ({ attempt }: { attempt: number }, progress: SagaRecord) =>
          at(`run:${i}`, async () => {
            if (refuse || (plan.fickle === i && attempt > 1)) return { refused: { reason: 'refused' } };
            await record(database, name, progress);
            return { done: undefined };
          }),
        // What a local step before the pivot has done is undone like anything else.
        ...(i < plan.pivot ? { compensate: ({ key }: { key: string }) => at(`undo:${i}`, () => undoLocal(key)) } : {}),
      } as const;
    }
    return {
      kind,
      name,
      retry,
      run: ({ key }: { key: string }) =>
        at(`run:${i}`, async () => ({ done: await remote.act(key, refuse, plan.fickle === i) })),
      ...(i < plan.pivot ? { compensate: ({ key }: { key: string }) => at(`undo:${i}`, () => remote.undo(key)) } : {}),
    } as const;
  });
  return defineSaga({
    name: 'crashing',
    version: 1,
    steps,
    pivot: nameOf(plan.pivot),
    onRefused: ({ sagaId }, _refusal, progress) =>
      at('refused', () => record(database, 'refused', { ...progress, id: sagaId })),
  } as SagaDefinition);
}

async function undoLocal(key: string): Promise<void> {
  const [saga, name] = key.split(':');
  await database.query('delete from effect where saga = $1 and name = $2', [saga as string, name as string]);
}

interface Schedule {
  /** For each node in turn, what happens to it at which moment. The last node lives. */
  readonly fates: readonly ((moment: Moment) => Fate)[];
  readonly saveAfterMs: number;
  /** People give the saga up once so many nodes have died or stalled. */
  readonly abandonAfter?: number | undefined;
  /** Stalled nodes go on while others work, not only when all is over. */
  readonly wakeEarly?: boolean;
}

/** Runs one saga through one node after the other and checks what must hold. Returns the moments of each node. */
async function check(
  plan: Plan,
  { fates, saveAfterMs, abandonAfter, wakeEarly = false }: Schedule,
  variant: Variant = {},
): Promise<(readonly string[])[]> {
  const remote = variant.remote ?? createRemoteService();
  const id = `saga-${++sagas}`;
  const nodes: Node[] = [];
  const definition = define(plan, remote, recordEffect, { at: (_, work) => work() });
  try {
    for (const [i, fate] of [...fates, () => undefined].entries()) {
      const node: Node = createNode({
        owner: `${id}-node-${i}`,
        database,
        define: (self) => [define(plan, remote, variant.record ?? recordEffect, self)],
        fate,
        saveAfterMs,
      });
      nodes.push(node);
      const outcome = await Promise.race([live(node, id, i === 0), node.dead, node.stalled]);
      await node.quiet();
      const saga = outcome ?? (await inspectSaga(database, id));
      // It was never accepted.
      if (saga === undefined) return nodes.map(({ moments }) => moments);
      if (isEnded(saga)) break;
      if (wakeEarly) for (const other of nodes.slice(0, -1)) other.wake();
      if (i === abandonAfter) await abandonSaga(database, id, turningPointOf(definition), 'ops', 'no patience');
      await forgetOwner(database, node.owner);
    }
    // Those that stalled go on, long after.
    for (const node of nodes) node.wake();
    await world.timers.sleep(2);
    await Promise.all(nodes.map((node) => Promise.race([node.engine.component.drain?.(), node.dead])));
  } finally {
    for (const node of nodes) node.kill();
  }
  await verify(plan, id, remote);
  return nodes.map(({ moments }) => moments);
}

/** The first node accepts the saga and runs it; others find it by themselves. */
async function live({ engine, at }: Node, id: string, isFirst: boolean): Promise<SagaRecord> {
  await engine.component.start?.();
  if (isFirst) {
    const record = engine.create({ name: 'crashing', version: 1, steps: [] }, id, {});
    await at('accept', () => accept(database, record));
    await engine.run(record);
  }
  return untilSettled(database, id);
}

async function verify(plan: Plan, id: string, remote: RemoteService): Promise<void> {
  const saga = (await inspectSaga(database, id)) as SagaRecord;
  const { rows } = await database.query<{ name: string }>('select name from effect where saga = $1 order by name', [
    id,
  ]);
  const local = rows.map(({ name }) => name);
  const steps = plan.kinds.map((_, i) => i);
  const key = (i: number) => `${id}:${nameOf(i)}`;
  const all = {
    remote: steps.filter((i) => plan.kinds[i] === 'remote').map(key),
    local: steps.filter((i) => plan.kinds[i] === 'local').map(nameOf),
  };
  const abandoned = saga.journal.some(({ event }) => event === 'abandoned');
  expect(Math.max(0, ...remote.effects.values()), 'effects of one key').toBeLessThanOrEqual(1);
  if (saga.status === 'abandoned') {
    // Past the point of no return: nothing is undone, and nothing happens twice.
    expect(all.remote, 'remote effects').toEqual(expect.arrayContaining(remote.standing()));
    expect(all.local.slice(0, local.length), 'local effects').toEqual(local);
  } else if (saga.status === 'completed') {
    expect(plan.refuses).toBe(undefined);
    expect(remote.standing().sort(), 'remote effects').toEqual(all.remote);
    expect(local, 'local effects').toEqual(all.local);
  } else {
    expect(saga.status).toBe('refused');
    expect(plan.refuses !== undefined || plan.fickle !== undefined || abandoned, 'a reason to be refused').toBe(true);
    expect(remote.standing(), 'remote effects').toEqual([]);
    expect(local, 'local effects').toEqual(['refused']);
    for (const i of steps) if (i > plan.pivot) expect(remote.effects.has(key(i)), 'past the pivot').toBe(false);
  }
}

const typical: Plan = {
  kinds: ['remote', 'local', 'remote', 'local', 'remote', 'local'],
  pivot: 3,
  refuses: undefined,
};

const killAt = (index: number) => (moment: Moment) => (moment.index === index ? 'kill' : undefined) as Fate;
const stallAt = (index: number) => (moment: Moment) => (moment.index === index ? 'stall' : undefined) as Fate;

test.each([
  ['completes', undefined],
  ['is refused at its third step', 2],
  ['is refused at its pivot', 3],
])(
  'a saga that %s is taken over from a crash at every moment, and each effect happens once',
  async (_, refuses) => {
    const plan = { ...typical, refuses };
    for (const saveAfterMs of [0.5, 1_000_000]) {
      const [undisturbed] = await check(plan, { fates: [], saveAfterMs });
      const count = undisturbed?.length ?? 0;
      expect(count).toBeGreaterThan(10);
      for (let index = 0; index < count; index++) {
        await check(plan, { fates: [killAt(index)], saveAfterMs });
        // And the one that takes over dies too, early and late.
        await check(plan, { fates: [killAt(index), killAt(index % 7)], saveAfterMs });
      }
    }
  },
  60_000,
);

test.each([
  ['completes', undefined],
  ['is refused', 2],
])(
  'an owner that stalls at any moment of a saga that %s, and wakes when all is over, changes nothing',
  async (_, refuses) => {
    const plan = { ...typical, refuses };
    const [undisturbed] = await check(plan, { fates: [], saveAfterMs: 1 });
    for (let index = 0; index < (undisturbed?.length ?? 0); index++) {
      await check(plan, { fates: [stallAt(index)], saveAfterMs: 1 });
    }
  },
  60_000,
);

/** The owner stalls or dies, people give the saga up, another instance compensates it, and then the owner wakes. */
async function stopAndAbandon(variant: () => Variant): Promise<void> {
  const remotePivot: Plan = { kinds: ['remote', 'remote', 'remote', 'remote'], pivot: 2, refuses: undefined };
  for (const plan of [typical, remotePivot]) {
    for (const saveAfterMs of [1, 1_000_000]) {
      const [undisturbed] = await check(plan, { fates: [], saveAfterMs });
      for (let index = 2; index < (undisturbed?.length ?? 0); index++) {
        await check(plan, { fates: [stallAt(index)], saveAfterMs, abandonAfter: 0 }, variant());
        await check(plan, { fates: [killAt(index)], saveAfterMs, abandonAfter: 0 }, variant());
      }
    }
  }
}

test(
  'a saga given up at any moment is undone, or is past its pivot, and an owner that wakes changes nothing',
  () => stopAndAbandon(() => ({})),
  60_000,
);

test('where a repeated step is refused after a takeover, all that may have been done is undone', async () => {
  for (const saveAfterMs of [1, 1_000_000]) {
    const plan: Plan = { kinds: ['remote', 'remote', 'remote', 'local'], pivot: 3, refuses: undefined, fickle: 0 };
    const [undisturbed] = await check(plan, { fates: [], saveAfterMs });
    for (let index = 0; index < (undisturbed?.length ?? 0); index++) {
      await check(plan, { fates: [killAt(index)], saveAfterMs });
      await check(plan, { fates: [killAt(index), killAt(4)], saveAfterMs });
    }
  }
});

test('a local step that is refused after an attempt of unknown end is done if that attempt did it', async () => {
  for (const kinds of [['remote', 'local', 'remote'], ['local'], ['local', 'local']] as const) {
    const plan: Plan = {
      kinds,
      pivot: kinds.lastIndexOf('local'),
      refuses: undefined,
      fickle: kinds.lastIndexOf('local'),
    };
    const loses = (what: string) => {
      let times = 0;
      return (moment: Moment) => (moment.what === what && times++ === 0 ? 'lose' : undefined) as Fate;
    };
    for (const step of kinds.keys()) {
      await check(plan, { fates: [loses(`after run:${step}`)], saveAfterMs: 1_000_000 });
      await check(plan, { fates: [loses(`before run:${step}`)], saveAfterMs: 1_000_000 });
    }
  }
});

// ---- any saga, any schedule ------------------------------------------------------------------------------------------

const plans = fc
  .array(fc.constantFrom<'remote' | 'local'>('remote', 'local'), { minLength: 1, maxLength: 6 })
  .chain((kinds) =>
    fc.integer({ min: 0, max: kinds.length - 1 }).chain((pivot) =>
      fc.record({
        kinds: fc.constant(kinds),
        pivot: fc.constant(pivot),
        refuses: fc.option(fc.integer({ min: 0, max: pivot }), { nil: undefined }),
        // A remote pivot keeps its word: nothing could undo it.
        fickle: fc.option(fc.integer({ min: 0, max: kinds[pivot] === 'local' ? pivot : Math.max(0, pivot - 1) }), {
          nil: undefined,
        }),
      }),
    ),
  );
/** For one node: it dies or stalls at some moment, and loses answers at others. */
const lives = fc.record({
  end: fc.constantFrom<Fate>('kill', 'kill', 'stall'),
  endAt: fc.integer({ min: 0, max: 24 }),
  losesAt: fc.array(fc.integer({ min: 0, max: 24 }), { maxLength: 4 }),
});
const scenarios = fc.record({
  plan: plans,
  lives: fc.array(lives, { maxLength: 4 }),
  saveAfterMs: fc.constantFrom(0.2, 1, 1_000_000),
  abandonAfter: fc.option(fc.nat(2), { nil: undefined }),
  wakeEarly: fc.boolean(),
});
type Scenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never;

function checkScenario({ plan, lives, ...rest }: Scenario, variant?: Variant): Promise<unknown> {
  const fates = lives.map(({ end, endAt, losesAt }) => ({ index, what }: Moment): Fate => {
    if (index === endAt) return end;
    // Only answers get lost, of calls as well as of commits; what accepts the saga is the caller's affair.
    return losesAt.includes(index) && what.startsWith('after') && !what.includes('accept') ? 'lose' : undefined;
  });
  // A stalled owner that asks again would itself make a fickle service change its mind, after the fact.
  const steady = lives.some(({ end }) => end === 'stall') ? { ...plan, fickle: undefined } : plan;
  return check(steady, { fates, ...rest }, variant);
}

test('any saga ends with each effect once or none, whatever its owners suffer', async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async (scenario) => void (await checkScenario(scenario))),
    { numRuns: 150 },
  );
});

async function failureOf(variant: () => Variant): Promise<string> {
  const details = await fc.check(
    fc.asyncProperty(scenarios, async (scenario) => void (await checkScenario(scenario, variant()))),
    { numRuns: 500, endOnFailure: true },
  );
  return String(details.errorInstance);
}

test('the check finds a service that writes its effect whatever becomes of the progress', async () => {
  const failure = await failureOf(() => ({
    record: (db, name, progress) =>
      db.transaction(async (tx) => {
        await recordEffect({ ...db, transaction: (work) => work(tx) }, 'unused', { ...progress, id: 'nobody' }).catch(
          () => {},
        );
        await recordEffect({ ...db, transaction: (work) => work(tx) }, name, progress).catch(() => {});
        const { count } = await tx.query('select from effect where saga = $1 and name = $2', [progress.id, name]);
        if (count > 0) await insertEffect(tx, progress.id, name);
      }),
  }));
  expect(failure).toMatch(/local effects/);
});

test('the check finds a service that leaves no word of what it undid before it was done', async () => {
  const failure = stopAndAbandon(() => ({ remote: createRemoteService({ tombstones: false }) }));
  await expect(failure).rejects.toThrow(/remote effects/);
});
