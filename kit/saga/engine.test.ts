import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type Database, type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import {
  abandonSaga,
  defineSaga,
  inspectSaga,
  listSagas,
  newSaga,
  resumeSaga,
  type SagaDefinition,
  SagaFenced,
  type SagaRecord,
  type StepContext,
  sagaMigrations,
  turningPointOf,
  writeSagas,
} from './index.ts';
import { journalEntriesMax, noted, placeOf } from './record.ts';
import {
  accept,
  createNode,
  forgetOwner,
  type Node,
  type NodeOptions,
  recordEffect,
  saveProgress,
  untilSettled,
} from './testing/index.ts';

/** The machine may be busy. */
const eventually = <T>(probe: () => T) => expect.poll(probe);

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
let database: Database;
let count = 0;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  await migrate(url, [sagaMigrations]);
  database = createDatabase({ url, ...world, connectionsMax: 6 });
  await database.query('create table effect (saga text not null, name text not null)');
});

beforeEach(async () => {
  await database.query('delete from saga');
  await database.query('delete from saga_owner');
});

afterAll(() => database.close());

const done = async () => ({ done: undefined });
const hurried = { delayMs: 1, delayMsMax: 2 };
const never = Object.assign(new Error('no'), { code: 'test/no', category: 'conflict', retry: 'never' });

/** A node that has started, and is killed when the test is over. */
async function start(
  definitions: SagaDefinition | readonly SagaDefinition[],
  options: Partial<NodeOptions> = {},
): Promise<Node> {
  const node = createNode({
    owner: `owner-${++count}`,
    database,
    define: () => [definitions].flat(),
    ...options,
  });
  onTestFinished(() => node.kill());
  await node.engine.component.start?.();
  return node;
}

/** A saga that a node has accepted and runs. */
async function begin(node: Node, definition: SagaDefinition, input: unknown = {}) {
  const record = node.engine.create(definition, `saga-${++count}`, input);
  await accept(database, record);
  return { id: record.id, record, run: node.engine.run(record) };
}

/** Remote steps that write down what is asked of them. */
function diary() {
  const lines: string[] = [];
  const step = (name: string, run: (context: StepContext) => Promise<unknown> = done) =>
    ({
      kind: 'remote',
      name,
      retry: hurried,
      async run(context: StepContext) {
        lines.push(name);
        const result = await run(context);
        return result !== null && typeof result === 'object' && 'refused' in result
          ? (result as { refused: { reason: string } })
          : { done: `${name} of ${context.key}` };
      },
      compensate: async () => void lines.push(`undo ${name}`),
    }) as const;
  return { lines, step };
}

const eventsOf = (saga: SagaRecord) => saga.journal.map(({ step, event }) => `${step} ${event}`);

test('steps run in order, see the results before them, and are written down', async () => {
  const { step } = diary();
  const seen: unknown[] = [];
  const definition = defineSaga({
    name: 'forward',
    version: 1,
    steps: [step('a'), step('b', async ({ results }) => void seen.push(results)), step('c')],
  });
  const { id, run } = await begin(await start(definition), definition, { for: 'ada' });
  expect(await run).toMatchObject({ status: 'completed' });
  const saga = (await inspectSaga(database, id)) as SagaRecord;
  expect(saga).toMatchObject({ status: 'completed', input: { for: 'ada' }, owner: null, cause: null });
  expect(saga.results).toEqual({ a: `a of ${id}:a`, b: `b of ${id}:b`, c: `c of ${id}:c` });
  expect(seen).toEqual([{ a: `a of ${id}:a` }]);
  expect(eventsOf(saga)).toEqual(['a done', 'b done', 'c done']);
});

test('a refusal undoes what was done in reverse, and is recorded with its cause', async () => {
  const { lines, step } = diary();
  const refused: unknown[] = [];
  const definition = defineSaga({
    name: 'refused',
    version: 1,
    steps: [
      step('a'),
      step('b'),
      step('c', async () => ({ refused: { reason: 'sold-out', data: { left: 0 } } })),
      step('d'),
    ],
    async onRefused(_context, refusal, progress) {
      refused.push(refusal);
      await recordEffect(database, 'refused', progress);
    },
  });
  const { id, run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'refused', cause: { reason: 'sold-out' } });
  expect(lines).toEqual(['a', 'b', 'c', 'undo b', 'undo a']);
  expect(refused).toEqual([{ reason: 'sold-out', data: { left: 0 } }]);
  expect(await inspectSaga(database, id)).toMatchObject({ status: 'refused', cause: { data: { left: 0 } } });
});

test('an error that can never succeed is a refusal; anything else is an unknown outcome and asked again by the same key', async () => {
  const { lines, step } = diary();
  const keys: string[] = [];
  const definition = defineSaga({
    name: 'unknown',
    version: 1,
    steps: [
      step('a', async ({ key, attempt }) => {
        keys.push(`${key} ${attempt}`);
        if (attempt === 1) throw new Error('reply lost');
        if (attempt === 2) throw Object.assign(new Error('broken'), { category: 'internal', retry: 'never' });
      }),
      step('b', () => Promise.reject(never)),
    ],
  });
  const { id, run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'refused', cause: { reason: 'test/no', detail: 'no' } });
  expect(keys).toEqual([`${id}:a 1`, `${id}:a 2`, `${id}:a 3`]);
  expect(lines).toEqual(['a', 'a', 'a', 'b', 'undo a']);
});

test('a step that is refused after an attempt of unknown outcome is undone too', async () => {
  const { lines, step } = diary();
  const definition = defineSaga({
    name: 'perhaps',
    version: 1,
    steps: [step('a'), step('b', ({ attempt }) => Promise.reject(attempt === 1 ? new Error('reply lost') : never))],
  });
  const { run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'refused' });
  expect(lines).toEqual(['a', 'b', 'b', 'undo b', 'undo a']);
});

test('an attempt has its time: then its signal aborts, and it is tried again', async () => {
  const { step } = diary();
  const reasons: string[] = [];
  const definition = defineSaga({
    name: 'slow',
    version: 1,
    steps: [
      {
        ...step('a', async ({ attempt, signal }) => {
          if (attempt > 1) return;
          await new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason.message);
              reject(new Error('too late to matter'));
            });
          });
        }),
        timeoutMs: 10,
      },
    ],
  });
  const { run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'completed' });
  expect(reasons).toEqual(['step a took over 10 ms']);
});

test('a step given up may have happened, so it is undone with the rest', async () => {
  const { lines, step } = diary();
  const failing = { ...step('b', () => Promise.reject(new Error('down'))), retry: { ...hurried, giveUpAfterMs: 5 } };
  const definition = defineSaga({ name: 'gave-up', version: 1, steps: [step('a'), failing, step('c')] });
  const { id, run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'refused', cause: { reason: 'gave-up', detail: 'b: down' } });
  expect(lines.slice(-2)).toEqual(['undo b', 'undo a']);
  expect(eventsOf((await inspectSaga(database, id)) as SagaRecord)).toContain('b gave-up');
});

test('a pivot that nothing can undo is never given up, and one that was passed is never undone', async () => {
  const { lines, step } = diary();
  const stubborn = (name: string) => {
    const { compensate: _, ...rest } = step(name, ({ attempt }) =>
      attempt < 12 ? Promise.reject(new Error('down')) : done(),
    );
    return { ...rest, retry: { ...hurried, giveUpAfterMs: 0 } };
  };
  const definition = defineSaga({
    name: 'stubborn',
    version: 1,
    pivot: 'charge',
    steps: [step('a'), stubborn('charge'), stubborn('ship')],
  });
  const { run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'completed' });
  expect(lines.filter((line) => line.startsWith('undo'))).toEqual([]);
});

test('a saga refused past its pivot is stuck until people let it go on', async () => {
  const { lines, step } = diary();
  let fixed = false;
  const definition = defineSaga({
    name: 'stuck-forward',
    version: 1,
    pivot: 'a',
    steps: [step('a'), step('b', () => (fixed ? done() : Promise.reject(never)))],
  });
  const node = await start(definition, { leaseMs: 200 });
  const { id, run } = await begin(node, definition);
  expect(await run).toMatchObject({ status: 'stuck' });
  expect((await listSagas(database, { status: 'stuck', limit: 10 })).map((saga) => saga.id)).toEqual([id]);
  fixed = true;
  expect(await resumeSaga(database, id, 'ops')).toBe(true);
  expect(await resumeSaga(database, id, 'ops')).toBe(false);
  expect(await untilSettled(database, id)).toMatchObject({ status: 'completed' });
  expect(lines).toEqual(['a', 'b', 'b']);
});

test('a compensation that is refused leaves the saga stuck on its way back, and it goes on that way', async () => {
  const { lines, step } = diary();
  let fixed = false;
  const definition = defineSaga({
    name: 'stuck-back',
    version: 1,
    steps: [
      step('a'),
      {
        ...step('b'),
        async compensate() {
          lines.push('undo b');
          if (!fixed) throw never;
        },
      },
      step(
        'c',
        ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ),
    ],
  });
  const node = await start(definition, { leaseMs: 200 });
  const { id } = await begin(node, definition);
  await eventually(() => lines).toContain('c');
  // No step has refused: what sends it back is people, and its journal says so only here.
  expect(await abandonSaga(database, id, turningPointOf(definition), 'ops', 'no use')).toBe(true);
  expect(await untilSettled(database, id)).toMatchObject({ status: 'stuck', cause: { reason: 'abandoned' } });
  fixed = true;
  expect(await resumeSaga(database, id, 'ops')).toBe(true);
  await eventually(async () => (await inspectSaga(database, id))?.status).toBe('refused');
  expect(lines).toEqual(['a', 'b', 'c', 'undo c', 'undo b', 'undo b', 'undo a']);
  expect(await abandonSaga(database, id, 2, 'ops', 'again')).toBe(false);
});

test('a saga that is stuck on its way back can be ended: one step stays as it is, the rest is undone, and it is listed for people', async () => {
  const { lines, step } = diary();
  const refused: string[] = [];
  const definition = defineSaga({
    name: 'ended-back',
    version: 1,
    steps: [
      step('a'),
      { ...step('b'), compensate: () => Promise.reject(never) },
      step('c', () => Promise.reject(never)),
    ],
    async onRefused(_context, { reason }, progress) {
      refused.push(reason);
      await recordEffect(database, 'refused', progress);
    },
  });
  const { id, run } = await begin(await start(definition, { leaseMs: 200 }), definition);
  const { cause } = (await run) as SagaRecord;
  expect(await abandonSaga(database, id, turningPointOf(definition), 'ops', 'paid back by hand')).toBe(true);
  await eventually(async () => (await inspectSaga(database, id))?.status).toBe('abandoned');
  expect(lines).toEqual(['a', 'b', 'c', 'undo a']);
  expect(refused).toEqual([cause?.reason]);
  const listed = await listSagas(database, { status: 'abandoned', limit: 100 });
  expect(listed.map((saga) => saga.id)).toContain(id);
  const left = { step: 'b', event: 'abandoned', detail: 'by ops: paid back by hand' };
  expect((await inspectSaga(database, id))?.journal).toContainEqual(expect.objectContaining(left));
  expect(await resumeSaga(database, id, 'ops')).toBe(false);
});

test('a saga abandoned past its pivot is closed with the reason, for people to settle', async () => {
  const { lines, step } = diary();
  const definition = defineSaga({
    name: 'hopeless',
    version: 1,
    pivot: 'a',
    steps: [step('a'), step('b', () => Promise.reject(new Error('down')))],
  });
  const node = await start(definition);
  const { id, run } = await begin(node, definition);
  await eventually(async () => (await inspectSaga(database, id))?.step).toBe(1);
  expect(await abandonSaga(database, id, turningPointOf(definition), 'ops', 'b is gone')).toBe(true);
  await run;
  expect(await inspectSaga(database, id)).toMatchObject({
    status: 'abandoned',
    cause: { reason: 'abandoned', detail: 'b is gone' },
    journal: expect.arrayContaining([expect.objectContaining({ event: 'abandoned', detail: 'by ops: b is gone' })]),
  });
  expect(lines).not.toContain('undo a');
});

test('a local step is one fact with its progress, and what it gives back is not kept', async () => {
  const definition = defineSaga({
    name: 'local',
    version: 1,
    steps: [
      {
        kind: 'local',
        name: 'a',
        async run(_context, progress) {
          await recordEffect(database, 'a', progress);
          return { done: 'lost by a takeover' };
        },
      },
      { kind: 'remote', name: 'b', run: async ({ results }) => ({ done: Object.keys(results) }) },
    ],
  });
  const { id, run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'completed', results: { b: [] } });
  const { rows } = await database.query('select name from effect where saga = $1', [id]);
  expect(rows).toEqual([{ name: 'a' }]);
});

test('a wait step sleeps in the database, owned by nobody, and whoever finds it due goes on', async () => {
  const { lines, step } = diary();
  const definition = defineSaga<{ hours: number }>({
    name: 'waiting',
    version: 1,
    steps: [step('a'), { kind: 'wait', name: 'cool', delayMs: ({ hours }) => hours * 3_600_000 }, step('b')],
  }) as SagaDefinition;
  const first = await start(definition);
  const { id, run } = await begin(first, definition, { hours: 2 });
  expect(await run).toMatchObject({ status: 'running', owner: null });
  expect(first.engine.active).toBe(0);
  const wakesIn = 'select round(extract(epoch from wake_at - now()) / 3600) as hours from saga where id = $1';
  expect((await database.query(wakesIn, [id])).rows).toEqual([{ hours: '2' }]);

  await first.engine.component.stop?.();
  const second = await start(definition, { leaseMs: 100 });
  expect(lines).toEqual(['a']);
  await database.query(`update saga set wake_at = now() + interval '100 ms' where id = $1`, [id]);
  expect(await untilSettled(database, id)).toMatchObject({ status: 'completed' });
  expect(lines).toEqual(['a', 'b']);
  const { journal } = (await inspectSaga(database, id)) as SagaRecord;
  expect(journal.find(({ event }) => event === 'taken-over')?.detail).toBe(second.owner);
});

test('a saga can be given up in its sleep', async () => {
  const { lines, step } = diary();
  const definition = defineSaga({
    name: 'asleep',
    version: 1,
    steps: [step('a'), { kind: 'wait', name: 'cool', delayMs: () => 1e9 }, step('b')],
  });
  const node = await start(definition, { leaseMs: 100 });
  const { id, run } = await begin(node, definition);
  await run;
  await abandonSaga(database, id, turningPointOf(definition), 'ops', 'not wanted any more');
  expect(await untilSettled(database, id)).toMatchObject({ status: 'refused' });
  expect(lines).toEqual(['a', 'undo b', 'undo a']);
});

test('progress is written, stands, or is fenced', async () => {
  const { step } = diary();
  const definition = defineSaga({ name: 'writes', version: 1, steps: [step('a'), step('b'), step('c')] });
  const first = newSaga(definition, 'w', {}, 'me');
  await accept(database, first);
  const at = (revision: number, fence = 1, more: Partial<SagaRecord> = {}): SagaRecord => ({
    ...first,
    revision,
    fence,
    step: Math.floor(revision / 1000),
    ...more,
  });
  const write = (...sagas: SagaRecord[]) => database.transaction((tx) => writeSagas(tx, sagas));
  expect(await write(at(1000))).toEqual(['written']);
  expect(await write(at(1000))).toEqual(['stands']);
  expect(await write(at(999))).toEqual(['stands']);
  // In one batch only one of equals has its effects, and none that a newer one of the same saga has overtaken.
  const twin = at(2000);
  expect(await write(at(1001), twin, twin, at(2000))).toEqual(['stands', 'written', 'stands', 'stands']);
  await database.query('update saga set fence = 2');
  expect(await write(at(3000))).toEqual(['fenced']);
  // A stale writer that is further does not shadow the owner.
  expect(await write(at(9000, 1), at(2001, 2))).toEqual(['fenced', 'written']);
  expect(await write({ ...at(1000), id: 'nobody knows' })).toEqual(['fenced']);
  expect(await inspectSaga(database, 'w')).toMatchObject({ fence: 2, revision: 2001, step: 2 });
});

test('a late write-behind never overwrites newer progress', async () => {
  const { step } = diary();
  const gate = Promise.withResolvers<void>();
  const late: SagaRecord[] = [];
  let lateDone = Promise.resolve();
  const definition = defineSaga({
    name: 'late',
    version: 1,
    pivot: null,
    steps: [step('a'), step('b', () => (late.length > 0 ? done() : Promise.reject(new Error('wait for the write'))))],
  });
  const node = await start(definition, {
    async save(progress) {
      if (late.length === 0) {
        late.push(progress);
        lateDone = gate.promise.then(() => saveProgress(database, progress));
        return lateDone;
      }
      return saveProgress(database, progress);
    },
  });
  const { id, run } = await begin(node, definition);
  expect(await run).toMatchObject({ status: 'completed' });
  const before = await inspectSaga(database, id);
  gate.resolve();
  await lateDone;
  expect(late[0]).toMatchObject({ status: 'running', step: 1 });
  expect(await inspectSaga(database, id)).toEqual(before);
});

test('an owner whose write is refused stops at once, in the middle of a step', async () => {
  const { lines, step } = diary();
  const reasons: unknown[] = [];
  const definition = defineSaga({
    name: 'fenced',
    version: 1,
    steps: [
      step('a'),
      step('b', async ({ sagaId, attempt, signal }) => {
        if (attempt === 1) {
          await database.query(`update saga set fence = fence + 1, owner = 'another' where id = $1`, [sagaId]);
          // The first failure is noted, and that note is refused.
          throw new Error('once');
        }
        await new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          }),
        );
      }),
      step('c'),
    ],
  });
  const owner = await start(definition);
  const { run } = await begin(owner, definition);
  expect(await run).toMatchObject({ status: 'running' });
  expect(reasons.every((reason) => reason instanceof SagaFenced)).toBe(true);
  expect(lines).not.toContain('c');
  expect(owner.engine.active).toBe(0);
});

test('an engine whose lease has lapsed takes its own sagas again, and each still ends once', async () => {
  const { lines, step } = diary();
  let open = false;
  const definition = defineSaga({
    name: 'lapsed',
    version: 1,
    steps: [
      step('a'),
      step('b', () => (open ? done() : Promise.reject(new Error('not yet')))),
      {
        kind: 'local',
        name: 'c',
        run: async (_context, progress) => ({ done: await recordEffect(database, 'c', progress) }),
      },
    ],
  });
  const node = await start(definition, { leaseMs: 200 });
  const { id, run } = await begin(node, definition);
  await eventually(() => lines).toContain('b');
  await eventually(async () => {
    await forgetOwner(database, node.owner);
    return (await inspectSaga(database, id))?.fence;
  }).toBeGreaterThan(1);
  open = true;
  // Whoever waits for the saga in this process is told of its real end.
  expect(await run).toMatchObject({ status: 'completed' });
  expect((await database.query('select from effect where saga = $1', [id])).count).toBe(1);
});

test('a saga that was accepted by a commit of unknown outcome is run by its owner, though nobody told it', async () => {
  const { step } = diary();
  const definition = defineSaga({ name: 'adopted', version: 1, steps: [step('a')] });
  const node = await start(definition, { leaseMs: 100 });
  await accept(database, node.engine.create(definition, 'unheard-of', {}));
  expect(await untilSettled(database, 'unheard-of')).toMatchObject({ status: 'completed' });
});

test('sagas of an instance that died are taken over in any number, as far as there is room', async () => {
  const { lines, step } = diary();
  const gate = Promise.withResolvers<void>();
  const definition = defineSaga({ name: 'many', version: 1, steps: [step('a', () => gate.promise)] });
  for (let i = 0; i < 250; i++) await accept(database, newSaga(definition, `many-${i}`, {}, 'dead'));
  const small = await start(definition, { activeMax: 7 });
  expect(small.engine.active).toBe(7);
  expect(small.engine.canStart).toBe(false);
  const large = await start(definition);
  expect(large.engine.active).toBe(243);
  gate.resolve();
  await eventually(async () => (await listSagas(database, { status: 'completed', limit: 500 })).length).toBe(250);
  expect(lines).toHaveLength(250);
});

test('an instance takes only versions that it knows; the old one ends its own', async () => {
  const { lines, step } = diary();
  const one = defineSaga({ name: 'versioned', version: 1, steps: [step('old')] });
  const two = defineSaga({ name: 'versioned', version: 2, steps: [step('new'), step('newer')] });
  await accept(database, newSaga(one, 'of-one', {}, 'dead'));
  await accept(database, newSaga(two, 'of-two', {}, 'dead'));
  await start(two);
  await untilSettled(database, 'of-two');
  expect(await inspectSaga(database, 'of-one')).toMatchObject({ status: 'running', owner: 'dead' });
  expect(lines).toEqual(['new', 'newer']);
  await start([one, two]);
  expect(await untilSettled(database, 'of-one')).toMatchObject({ status: 'completed', version: 1 });
  expect(lines).toEqual(['new', 'newer', 'old']);
});

test('draining ends what moves, leaves what can not go on just now, and takes nothing new', async () => {
  const { lines, step } = diary();
  const gate = Promise.withResolvers<void>();
  let open = false;
  const moving = defineSaga({ name: 'moving', version: 1, steps: [step('m', () => gate.promise), step('n')] });
  const down = defineSaga({
    name: 'down',
    version: 1,
    steps: [
      {
        ...step('d', () => (open ? done() : Promise.reject(new Error('down')))),
        retry: { delayMs: 1e6, delayMsMax: 1e6 },
      },
    ],
  });
  const node = await start([moving, down], { saveAfterMs: 1e6 });
  const a = await begin(node, moving);
  const b = await begin(node, down);
  await eventually(() => lines).toEqual(['m', 'd']);
  await accept(database, newSaga(moving, 'orphan', {}, 'dead'));
  const drained = node.engine.component.drain?.();
  expect(node.engine.canStart).toBe(false);
  expect(await b.run).toMatchObject({ status: 'running' });
  gate.resolve();
  await drained;
  expect(await a.run).toMatchObject({ status: 'completed' });
  expect(await inspectSaga(database, 'orphan')).toMatchObject({ owner: 'dead' });
  await node.engine.component.stop?.();
  open = true;
  // Free at once: nobody waits for a lease to end.
  await start([moving, down]);
  expect(await untilSettled(database, b.id)).toMatchObject({ status: 'completed' });
});

test('stopping aborts the steps under way, and nothing more is begun', async () => {
  const { lines, step } = diary();
  const definition = defineSaga({
    name: 'stopped',
    version: 1,
    steps: [
      step(
        'a',
        ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ),
      step('b'),
    ],
  });
  const node = await start(definition);
  const { run, record } = await begin(node, definition);
  await eventually(() => lines).toEqual(['a']);
  await node.engine.component.stop?.();
  expect(await run).toMatchObject({ status: 'running', step: 0 });
  expect(await node.engine.run({ ...record, id: 'another' })).toMatchObject({ status: 'running' });
  expect(lines).toEqual(['a']);
  expect((await database.query('select from saga_owner where owner = $1', [node.owner])).count).toBe(0);
});

test('an owner that runs a saga while people give it up lets go, and another undoes it', async () => {
  const { lines, step } = diary();
  const definition = defineSaga({
    name: 'raced',
    version: 1,
    steps: [step('a'), step('b', () => Promise.reject(new Error('down'))), step('c')],
    pivot: 'c',
  });
  const node = await start(definition);
  const { id, run } = await begin(node, definition);
  await eventually(() => lines.length).toBeGreaterThan(5);
  const other = await start(definition, { leaseMs: 100 });
  // While its owner writes: advice is thought over until it fits what stands.
  const advised = await Promise.all(
    Array.from({ length: 4 }, () => abandonSaga(database, id, turningPointOf(definition), 'ops', 'no use')),
  );
  expect(advised).toContain(true);
  expect(await untilSettled(database, id)).toMatchObject({ status: 'refused' });
  await run;
  expect(node.engine.active + other.engine.active).toBeLessThanOrEqual(1);
  expect(lines.filter((line) => line === 'undo a').length).toBeGreaterThan(0);
});

test('of people who resume a saga at the same time one does', async () => {
  const { step } = diary();
  const definition = defineSaga({
    name: 'twice',
    version: 1,
    pivot: null,
    steps: [step('a', () => Promise.reject(never))],
  });
  const { id, run } = await begin(await start(definition), definition);
  expect(await run).toMatchObject({ status: 'stuck' });
  const resumed = await Promise.all(Array.from({ length: 5 }, (_, i) => resumeSaga(database, id, `ops ${i}`)));
  expect(resumed.filter(Boolean)).toHaveLength(1);
  expect(await resumeSaga(database, 'unknown', 'ops')).toBe(false);
});

test('a mistake in onStep or in a definition does not lose a saga', async () => {
  const { step } = diary();
  let broken = true;
  const definition = defineSaga({
    name: 'mistaken',
    version: 1,
    steps: [
      step('a'),
      {
        kind: 'wait',
        name: 'w',
        delayMs: () => {
          if (broken) throw new TypeError('a mistake');
          return 0;
        },
      },
    ],
  });
  const errors: unknown[] = [];
  const node = await start(definition, {
    leaseMs: 100,
    log: { ...quiet, error: (_, fields) => errors.push(fields?.['error']) },
  });
  const { id, run } = await begin(node, definition);
  expect(await run).toMatchObject({ status: 'running' });
  expect(errors).toEqual([expect.any(TypeError)]);
  broken = false;
  expect(await untilSettled(database, id)).toMatchObject({ status: 'completed' });
});

test('a journal is bounded, and notes never leave their place', () => {
  const { step } = diary();
  const definition = defineSaga({ name: 'noted', version: 1, steps: [step('a')] });
  let saga = newSaga(definition, 'n', {}, 'me');
  for (let i = 0; i < 5_000; i++) saga = noted(saga, { step: 'a', event: 'failed', at: i });
  expect(saga.journal).toHaveLength(journalEntriesMax);
  expect(saga.journal.at(-1)?.at).toBe(4_999);
  expect(placeOf(saga.revision)).toBe(placeOf(1));
});

test('a definition that can not work is refused', () => {
  const { step } = diary();
  expect(() => defineSaga({ name: 'x', version: 1, steps: [] })).toThrow(/no steps/);
  expect(() => defineSaga({ name: 'x', version: 1, steps: [step('a'), step('a')] })).toThrow(/share a name/);
  expect(() => defineSaga({ name: 'x', version: 1, steps: [step('a')], pivot: 'b' })).toThrow(/pivot b/);
});
