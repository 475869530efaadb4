import type { Call } from './model.ts';
import { timelineOf } from './timeline.ts';

/** The timeline as a doubly linked list from which a call and its return can be lifted and put back in constant time. */
export interface MomentList {
  first(): number;
  next(at: number): number;
  /** What follows a call that was put back. */
  afterCall(call: number): number;
  /** The call that begins there; undefined at a return and at the end. */
  callAt(at: number): number | undefined;
  lift(call: number): void;
  /** Only in the reverse order of `lift`. */
  unlift(call: number): void;
}

/** "Dancing links" (Knuth 2000) over typed arrays; node 0 is head and end, moments are 1 and up. */
export function createMomentList(calls: readonly Call[]): MomentList {
  const timeline = timelineOf(calls);
  const size = timeline.length + 1;
  const next = Int32Array.from({ length: size }, (_, node) => (node + 1) % size);
  const prev = Int32Array.from({ length: size }, (_, node) => (node + size - 1) % size);
  /** The call that begins at a node, or -1. */
  const callOf = new Int32Array(size).fill(-1);
  const callNode = new Int32Array(calls.length);
  const returnNode = new Int32Array(calls.length);
  for (const [index, { call, isReturn }] of timeline.entries()) {
    if (isReturn) returnNode[call] = index + 1;
    else {
      callNode[call] = index + 1;
      callOf[index + 1] = call;
    }
  }
  const at = (array: Int32Array, index: number) => array[index] as number;
  const out = (node: number) => {
    next[at(prev, node)] = at(next, node);
    prev[at(next, node)] = at(prev, node);
  };
  const back = (node: number) => {
    next[at(prev, node)] = node;
    prev[at(next, node)] = node;
  };
  return {
    first: () => at(next, 0),
    next: (node) => at(next, node),
    afterCall: (call) => at(next, at(callNode, call)),
    callAt(node) {
      const call = at(callOf, node);
      return call < 0 ? undefined : call;
    },
    lift(call) {
      out(at(callNode, call));
      if (at(returnNode, call) !== 0) out(at(returnNode, call));
    },
    unlift(call) {
      if (at(returnNode, call) !== 0) back(at(returnNode, call));
      back(at(callNode, call));
    },
  };
}
