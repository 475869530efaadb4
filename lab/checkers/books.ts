import { runChecks } from './check.ts';
import { allChecks } from './guarantees/all.ts';
import type { Operation } from './history/index.ts';
import type { FinalState } from './read-state.ts';

/** What a client was told. */
export interface Accepted {
  readonly key: string;
  readonly orderId: string;
  /** The decision, where it was told: `confirmed` or `refused`. */
  readonly state: string | undefined;
}

export interface Violation {
  /** The guarantee of DESIGN §5 that does not hold: the name of a check. */
  readonly guarantee: string;
  readonly detail: string;
}

/** Runs every check over a final state and what buyers were told of it. */
export function checkBooks(state: FinalState, accepted: readonly Accepted[]): Violation[] {
  return runChecks({ ...state, operations: accepted.map(placed) }, allChecks).flatMap(({ name, violations }) =>
    violations.map((detail) => ({ guarantee: name, detail })),
  );
}

function placed({ key, orderId, state }: Accepted, at: number): Operation {
  const value = { id: orderId, state };
  return {
    id: `${key} ${at}`,
    process: key,
    session: key,
    kind: 'place',
    idempotencyKey: key,
    startMs: at,
    endMs: at,
    outcome: { type: 'ok', status: state === undefined ? 202 : 201, value },
  };
}
