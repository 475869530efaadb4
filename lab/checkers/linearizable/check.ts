import type { Call, Model } from './model.ts';
import { search } from './search.ts';
import { timelineOf } from './timeline.ts';

export interface LinearizableOptions {
  /** Steps of the search for one object; what needs more is undecided. Default 5,000,000, some seconds. */
  readonly stepsMax?: number;
}

export interface CounterExample<State = unknown, Input = unknown, Output = unknown> {
  /** The answer that can't be explained: without it the history up to then is legal. */
  readonly stuck: Call<Input, Output>;
  /** An order of all that had been answered before, and the state after each. */
  readonly order: readonly { readonly call: Call<Input, Output>; readonly state: State }[];
  /** Under way at that moment and not in that order. */
  readonly pending: readonly Call<Input, Output>[];
}

export interface ObjectReport {
  readonly verdict: 'linearizable' | 'not' | 'undecided';
  readonly calls: number;
  readonly steps: number;
  /** For people: the shortest beginning that fails, the last that does not, and the answer between them. */
  readonly explanation: readonly string[];
}

const defaultStepsMax = 5_000_000;

/** One object. See `search` for the algorithm; a legal beginning of the history is explained when it fails. */
export function checkObject<State, Input, Output>(
  calls: readonly Call<Input, Output>[],
  model: Model<State, Input, Output>,
  { stepsMax = defaultStepsMax }: LinearizableOptions = {},
): ObjectReport {
  const { verdict, steps } = search(calls, model, stepsMax);
  const example = verdict === 'not' ? counterExample(calls, model, stepsMax) : undefined;
  return { verdict, calls: calls.length, steps, explanation: example ? explain(example, model) : [] };
}

export interface PartitionedReport {
  readonly objects: number;
  readonly calls: number;
  readonly failed: readonly { readonly key: string; readonly report: ObjectReport }[];
  readonly undecided: readonly string[];
}

/**
 * A history over many objects is linearizable if and only if each object's is (Herlihy and Wing 1990, locality), so each
 * is searched alone: what is exponential in the calls at one time stays small.
 */
export function checkLinearizable<State, Input, Output>(
  calls: Iterable<readonly [key: string, call: Call<Input, Output>]>,
  modelOf: Model<State, Input, Output> | ((key: string) => Model<State, Input, Output>),
  options: LinearizableOptions = {},
): PartitionedReport {
  const partitions = new Map<string, Call<Input, Output>[]>();
  let count = 0;
  for (const [key, call] of calls) {
    count += 1;
    const partition = partitions.get(key);
    if (partition) partition.push(call);
    else partitions.set(key, [call]);
  }
  const failed: { key: string; report: ObjectReport }[] = [];
  const undecided: string[] = [];
  for (const [key, partition] of partitions) {
    const report = checkObject(partition, typeof modelOf === 'function' ? modelOf(key) : modelOf, options);
    if (report.verdict === 'not') failed.push({ key, report });
    if (report.verdict === 'undecided') undecided.push(key);
  }
  return { objects: partitions.size, calls: count, failed, undecided };
}

/** The history up to its `returns`-th answer: what had not been answered by then is open. */
function beginning<Input, Output>(calls: readonly Call<Input, Output>[], returns: number): Call<Input, Output>[] {
  const begun: number[] = [];
  const ended = new Set<number>();
  for (const { call, isReturn } of timelineOf(calls)) {
    if (ended.size === returns) break;
    if (isReturn) ended.add(call);
    else begun.push(call);
  }
  return begun.map((place) => {
    const call = calls[place] as Call<Input, Output>;
    return ended.has(place) ? call : { ...call, endAt: Number.POSITIVE_INFINITY, output: undefined };
  });
}

/** A beginning of a linearizable history is linearizable, so the shortest that is not can be found by halving. */
function counterExample<State, Input, Output>(
  calls: readonly Call<Input, Output>[],
  model: Model<State, Input, Output>,
  stepsMax: number,
): CounterExample<State, Input, Output> | undefined {
  let legal = 0;
  let illegal = calls.filter(({ endAt }) => endAt !== Number.POSITIVE_INFINITY).length;
  while (illegal - legal > 1) {
    const middle = (legal + illegal) >> 1;
    const { verdict } = search(beginning(calls, middle), model, stepsMax);
    if (verdict === 'undecided') return undefined;
    if (verdict === 'linearizable') legal = middle;
    else illegal = middle;
  }
  const before = beginning(calls, legal);
  const answered = (all: readonly Call[]) =>
    new Set(all.filter(({ endAt }) => endAt !== Number.POSITIVE_INFINITY).map(({ id }) => id));
  const known = answered(before);
  const [stuckId] = [...answered(beginning(calls, illegal))].filter((id) => !known.has(id));
  const stuck = calls.find(({ id }) => id === stuckId);
  if (!stuck) return undefined;
  const { order } = search(before, model, stepsMax);
  let state = model.initial;
  const steps = order.map((place) => {
    const call = before[place] as Call<Input, Output>;
    state = model.step(state, call.input, call.output) as State;
    return { call, state };
  });
  const taken = new Set(order.map((place) => before[place]?.id));
  return { stuck, order: steps, pending: before.filter(({ id }) => !taken.has(id) && id !== stuckId) };
}

/** Of a long beginning its last steps: those before are legal, and mostly tell nothing. */
const stepsToldMax = 8;
const pendingToldMax = 8;

function explain<State, Input, Output>(
  { stuck, order, pending }: CounterExample<State, Input, Output>,
  model: Model<State, Input, Output>,
): string[] {
  const tell = (call: Call<Input, Output>) =>
    `${model.describe(call.input, call.output)}   [${call.id}, ${call.startAt} to ${call.endAt}]`;
  const skipped = Math.max(0, order.length - stepsToldMax);
  const reached = order[skipped - 1]?.state ?? model.initial;
  return [
    `${order.length + 1} answers can't be put in an order; without the last they can:`,
    `  ${skipped > 0 ? `… ${skipped} more, then ` : ''}${model.describeState(reached)}`,
    ...order.slice(skipped).map(({ call, state }) => `  ${tell(call)} ⇒ ${model.describeState(state)}`),
    ...pending.slice(0, pendingToldMax).map((call) => `  under way, may or may not have happened: ${tell(call)}`),
    `  no place for: ${tell(stuck)}`,
  ];
}
