import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Random, seededRandom } from '#kit/runtime';
import { checkLinearizable, checkObject } from './check.ts';
import type { Call, Model } from './model.ts';
import { type RegisterInput, register, type StockInput, type StockOutput, stock } from './models.ts';

const never = Number.POSITIVE_INFINITY;
let count = 0;
/** An operation from one moment to another; without an output nobody knows its end. */
function call<Input, Output>(startAt: number, endAt: number, input: Input, output?: Output): Call<Input, Output> {
  count += 1;
  return { id: `op${count}`, startAt, endAt: output === undefined ? never : endAt, input, output };
}
type StockCall = Call<StockInput, StockOutput>;
const receive = (startAt: number, endAt: number, quantity: number): StockCall =>
  call(startAt, endAt, { kind: 'receive', quantity }, {});
const hold = (startAt: number, endAt: number, quantity: number, held?: boolean): StockCall =>
  call(startAt, endAt, { kind: 'hold', quantity }, held === undefined ? undefined : { held });
const look = (startAt: number, endAt: number, available: number): StockCall =>
  call(startAt, endAt, { kind: 'read' }, { available });
const verdictOf = (calls: StockCall[]) => checkObject(calls, stock).verdict;

test('answers that some order explains are linearizable', () => {
  expect(verdictOf([])).toBe('linearizable');
  expect(verdictOf([receive(0, 1, 5), hold(2, 3, 2, true), look(4, 5, 3), hold(6, 7, 4, false)])).toBe('linearizable');
  // The hold and the look overlap: either may come first.
  expect(verdictOf([receive(0, 1, 5), hold(2, 6, 2, true), look(3, 4, 5)])).toBe('linearizable');
  expect(verdictOf([receive(0, 1, 5), hold(2, 6, 2, true), look(3, 4, 3), look(5, 6, 3)])).toBe('linearizable');
});

test('a unit that is sold twice, a stale read, and a read that goes back are not', () => {
  expect(verdictOf([receive(0, 1, 1), hold(2, 5, 1, true), hold(3, 6, 1, true)])).toBe('not');
  expect(verdictOf([receive(0, 1, 5), hold(2, 3, 2, true), look(4, 5, 5)])).toBe('not');
  expect(verdictOf([receive(0, 1, 5), hold(2, 9, 2, true), look(3, 4, 3), look(5, 6, 5)])).toBe('not');
  expect(verdictOf([receive(0, 1, 5), hold(2, 3, 2, false)])).toBe('not');
});

test('an operation of unknown outcome may have happened at any time since, or never', () => {
  const lost = () => hold(2, 3, 2);
  expect(verdictOf([receive(0, 1, 5), lost(), look(10, 11, 5)])).toBe('linearizable');
  expect(verdictOf([receive(0, 1, 5), lost(), look(10, 11, 3)])).toBe('linearizable');
  expect(verdictOf([receive(0, 1, 5), lost(), look(10, 11, 5), look(12, 13, 3)])).toBe('linearizable');
  expect(verdictOf([receive(0, 1, 5), lost(), look(10, 11, 3), look(12, 13, 5)])).toBe('not');
  expect(verdictOf([receive(0, 1, 5), look(1.2, 1.5, 3), lost()])).toBe('not');
});

test('operations that touch overlap', () => {
  expect(verdictOf([receive(0, 1, 5), look(1, 2, 0)])).toBe('linearizable');
});

test('registers are read, written and swapped', () => {
  const of = (...calls: Call<RegisterInput, unknown>[]) => checkObject(calls, register).verdict;
  const write = call(0, 1, { kind: 'write', value: { a: 1, b: 2 } } as RegisterInput, true);
  expect(of(write, call(2, 3, { kind: 'read' } as RegisterInput, { b: 2, a: 1 }))).toBe('linearizable');
  expect(of(write, call(2, 3, { kind: 'read' } as RegisterInput, null))).toBe('not');
  const swap = (done: boolean) => call(2, 3, { kind: 'swap', from: { a: 1, b: 2 }, to: 7 } as RegisterInput, done);
  expect(of(write, swap(true), call(4, 5, { kind: 'read' } as RegisterInput, 7))).toBe('linearizable');
  expect(of(write, swap(false))).toBe('not');
});

test('a failure is told as the shortest beginning that fails, and the answer that has no place', () => {
  count = 0;
  const calls = [receive(0, 1, 5), hold(2, 6, 2, true), look(3, 4, 3), look(5, 7, 5), look(20, 21, 1), hold(8, 9, 1)];
  expect(checkObject(calls, stock).explanation).toEqual([
    "4 answers can't be put in an order; without the last they can:",
    '  0 on hand',
    '  receive 5 → done   [op1, 0 to 1] ⇒ 5 on hand',
    '  hold 2 → held   [op2, 2 to 6] ⇒ 3 on hand',
    '  read → 3 left   [op3, 3 to 4] ⇒ 3 on hand',
    '  no place for: read → 5 left   [op4, 5 to 7]',
  ]);
});

test('objects are searched apart, and the one that fails is named', () => {
  const report = checkLinearizable<number, StockInput, StockOutput>(
    [
      ['A', receive(0, 1, 5)],
      ['B', receive(0, 1, 1)],
      ['B', hold(2, 3, 2, true)],
      ['A', hold(2, 3, 2, true)],
    ],
    stock,
  );
  expect(report).toMatchObject({ objects: 2, calls: 4, undecided: [] });
  expect(report.failed.map(({ key }) => key)).toEqual(['B']);
});

test('a search that takes too long is undecided, not wrong', () => {
  const calls = Array.from({ length: 16 }, (_, at) => hold(0, 100, at + 1, true));
  expect(checkObject([receive(0, 1, 1_000), ...calls, look(200, 201, 1)], stock, { stepsMax: 1_000 }).verdict).toBe(
    'undecided',
  );
});

/** Tries every order of every choice of the open calls. */
function bruteForce<State, Input, Output>(
  calls: readonly Call<Input, Output>[],
  model: Model<State, Input, Output>,
  state = model.initial,
): boolean {
  if (calls.every(({ endAt }) => endAt === never)) return true;
  const firstEnd = Math.min(...calls.map(({ endAt }) => endAt));
  return calls.some((one, at) => {
    if (one.startAt > firstEnd) return false;
    const next = model.step(state, one.input, one.output);
    return next !== undefined && bruteForce(calls.toSpliced(at, 1), model, next);
  });
}

/** A few calls at random times; answers as a real object would give them, some of them changed. */
function draw<State, Input, Output>(
  random: Random,
  model: Model<State, Input, Output>,
  step: () => { input: Input; answers: (state: State) => Output },
  lie: () => Output | undefined,
): Call<Input, Output>[] {
  const plans = Array.from({ length: 2 + Math.floor(random.next() * 5) }, (_, at) => {
    const startAt = Math.floor(random.next() * 12);
    const endAt = startAt + Math.floor(random.next() * 6);
    return { id: `op${at}`, startAt, endAt, when: startAt + random.next() * (endAt - startAt), ...step() };
  });
  let state = model.initial;
  return plans
    .sort((a, b) => a.when - b.when)
    .map(({ id, startAt, endAt, input, answers }): Call<Input, Output> => {
      const isUnknown = random.next() < 0.2;
      const output = answers(state);
      if (!isUnknown || random.next() < 0.5) state = model.step(state, input, output) ?? state;
      if (isUnknown) return { id, startAt, endAt: never, input, output: undefined };
      return { id, startAt, endAt, input, output: random.next() < 0.15 ? (lie() ?? output) : output };
    });
}

function drawStock(random: Random): StockCall[] {
  const below = (limit: number) => Math.floor(random.next() * limit);
  const steps = () => {
    const kind = (['hold', 'hold', 'release', 'receive', 'read'] as const)[below(5)] as StockInput['kind'];
    const quantity = 1 + below(3);
    return {
      input: kind === 'read' ? { kind } : { kind, quantity },
      answers: (state: number): StockOutput => {
        if (kind === 'read') return { available: state };
        if (kind === 'hold') return { held: state >= quantity };
        return random.next() < 0.5 ? { available: state + quantity } : {};
      },
    };
  };
  return draw(random, stock, steps, () => ({ held: random.next() < 0.5, available: below(4) }));
}

function drawRegister(random: Random): Call<RegisterInput, unknown>[] {
  const value = () => Math.floor(random.next() * 3);
  const steps = () => {
    const input: RegisterInput = (
      [{ kind: 'read' }, { kind: 'write', value: value() }, { kind: 'swap', from: value(), to: value() }] as const
    )[Math.floor(random.next() * 3)] as RegisterInput;
    return {
      input,
      answers: (state: string): unknown =>
        input.kind === 'read' ? JSON.parse(state) : input.kind === 'swap' ? String(input.from) === state : true,
    };
  };
  return draw(random, register, steps, () => [value(), random.next() < 0.5][Math.floor(random.next() * 2)]);
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

test.each([
  ['stock', drawStock, stock],
  ['register', drawRegister, register],
] as const)('on thousands of small histories of a %s it agrees with trying every order', (_name, drawn, model) => {
  const verdicts = { linearizable: 0, not: 0, undecided: 0 };
  fc.assert(
    fc.property(seeds, (seed) => {
      const calls = drawn(seededRandom(seed)) as Call[];
      const { verdict, explanation } = checkObject(calls, model as Model<unknown, unknown, unknown>);
      verdicts[verdict] += 1;
      expect(verdict).toBe(bruteForce(calls, model as Model<unknown, unknown, unknown>) ? 'linearizable' : 'not');
      expect(explanation.length > 0).toBe(verdict === 'not');
    }),
    { numRuns: 4_000 },
  );
  expect(verdicts.undecided).toBe(0);
  expect(Math.min(verdicts.linearizable, verdicts.not)).toBeGreaterThan(400);
});
