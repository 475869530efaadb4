import { createConfiguration } from './configuration.ts';
import type { Call, Model } from './model.ts';
import { createMomentList } from './moment-list.ts';

export interface SearchResult {
  /** `undecided`: more steps than allowed. */
  readonly verdict: 'linearizable' | 'not' | 'undecided';
  /** Places of the calls in an order that explains them; empty when there is none. */
  readonly order: readonly number[];
  readonly steps: number;
}

interface Frame {
  readonly call: number;
  readonly stateBefore: unknown;
  /** A read taken as soon as it fitted: there is no other choice worth trying. */
  readonly isForced: boolean;
}

/**
 * Whether the calls on one object can be put in an order that the model would have answered so, and in which none comes
 * before one that had returned when it began.
 *
 * Wing and Gong, "Testing and verifying concurrent objects" (JPDC 1993): take any call that no return precedes, undo it
 * when it leads nowhere. Lowe, "Testing for linearizability" (CCPE 2017): remember the configurations, the set of calls
 * taken and the state, so that none is tried twice. As in Porcupine and Knossos, calls without an end may be taken at any
 * time or never. Reads that fit are taken at once: they change nothing, so taking them later could explain no more.
 */
export function search<State, Input, Output>(
  calls: readonly Call<Input, Output>[],
  model: Model<State, Input, Output>,
  stepsMax: number,
): SearchResult {
  const list = createMomentList(calls);
  const taken = createConfiguration(calls);
  const seen = new Set<string>();
  const frames: Frame[] = [];
  let state = model.initial;
  let remaining = calls.filter(({ endAt }) => endAt !== Number.POSITIVE_INFINITY).length;
  let at = list.first();

  const take = (place: number): boolean => {
    const call = calls[place] as Call<Input, Output>;
    const next = model.step(state, call.input, call.output);
    if (next === undefined) return false;
    const isForced = call.output !== undefined && model.isRead(call.input);
    taken.add(place);
    if (!isForced) {
      const key = `${taken.text()} ${model.keyOf(next)}`;
      if (seen.has(key)) {
        taken.remove(place);
        return false;
      }
      seen.add(key);
    }
    frames.push({ call: place, stateBefore: state, isForced });
    list.lift(place);
    state = next;
    if (call.endAt !== Number.POSITIVE_INFINITY) remaining -= 1;
    return true;
  };
  const undo = (): Frame | undefined => {
    const frame = frames.pop();
    if (!frame) return undefined;
    list.unlift(frame.call);
    taken.remove(frame.call);
    state = frame.stateBefore as State;
    if (calls[frame.call]?.endAt !== Number.POSITIVE_INFINITY) remaining += 1;
    return frame;
  };

  let steps = 0;
  while (remaining > 0) {
    steps += 1;
    if (steps > stepsMax) return { verdict: 'undecided', order: [], steps };
    const place = list.callAt(at);
    if (place !== undefined) {
      at = take(place) ? list.first() : list.next(at);
      continue;
    }
    // A return that nothing can be taken before: the last choice was wrong.
    let frame = undo();
    while (frame?.isForced) frame = undo();
    if (!frame) return { verdict: 'not', order: [], steps };
    at = list.afterCall(frame.call);
  }
  return { verdict: 'linearizable', order: frames.map(({ call }) => call), steps };
}
