import type { Call } from './model.ts';

/** The calls and returns of a history in the order in which they happened. */
export interface Moment {
  /** Place of the call in the list. */
  readonly call: number;
  readonly isReturn: boolean;
}

/** At one moment calls come before returns, so that operations that touch overlap. Calls without an end never return. */
export function timelineOf(calls: readonly Call[]): Moment[] {
  const moments: (Moment & { readonly at: number })[] = [];
  for (const [call, { startAt, endAt }] of calls.entries()) {
    moments.push({ at: startAt, call, isReturn: false });
    if (endAt !== Number.POSITIVE_INFINITY) moments.push({ at: endAt, call, isReturn: true });
  }
  return moments.sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn) || a.call - b.call);
}
