import { expect, test } from 'vitest';
import { createVirtualWorld, type Database } from '#kit/runtime';
import { type Answers, createAnswers } from './answers.ts';
import type { OrderRecord } from './model.ts';

const claim = { scope: 'guest:ada@example.com', key: 'k' };
const here = new AbortController().signal;

/** `result`: what the database answers; undefined: it answers nothing at all. */
function house(result?: readonly unknown[]) {
  const world = createVirtualWorld({ seed: 1 });
  const query = () => (result ? Promise.resolve({ rows: result, count: result.length }) : new Promise(() => {}));
  const answers = createAnswers({ ...world, database: { query } as unknown as Database });
  return { world, answers };
}

/** What whoever waits has been told, and when. */
function waiting({ world, answers }: { world: ReturnType<typeof createVirtualWorld>; answers: Answers }, ms: number) {
  const told: { outcome?: unknown; afterMs?: number } = {};
  const startMs = world.clock.monotonicMs();
  void answers.wait('ord_1', claim, startMs + ms, here).then((outcome) => {
    Object.assign(told, { outcome, afterMs: world.clock.monotonicMs() - startMs });
  });
  return told;
}

test('whoever waits is told when time is up, though the database does not answer any more', async () => {
  for (const runsHere of [true, false]) {
    const it = house();
    if (runsHere) it.answers.expect('ord_1');
    const told = waiting(it, 3_000);
    await it.world.advance(2_999);
    expect(told).toEqual({});
    await it.world.advance(1);
    expect(told).toEqual({ outcome: undefined, afterMs: 3_000 });
  }
});

test('whoever comes when time is up already is told at once', async () => {
  const it = house();
  const told = waiting(it, -5);
  await it.world.advance(0);
  expect(told).toEqual({ outcome: undefined, afterMs: 0 });
});

test('the outcome is told when it is durable here, and found in the database where another instance decided', async () => {
  const order = { id: 'ord_1' } as OrderRecord;
  const it = house([]);
  it.answers.expect('ord_1');
  const told = waiting(it, 3_000);
  await it.world.advance(40);
  it.answers.settle('ord_1', order);
  await it.world.advance(0);
  expect(told).toEqual({ outcome: { order }, afterMs: 40 });

  const replay = { status: 201, body: { id: 'ord_1' } };
  const elsewhere = house([{ result: replay }]);
  elsewhere.answers.expect('ord_1');
  const found = waiting(elsewhere, 3_000);
  elsewhere.answers.settle('ord_1', undefined);
  await elsewhere.world.advance(0);
  expect(found).toEqual({ outcome: { replay }, afterMs: 0 });
});
