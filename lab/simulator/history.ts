import type { Operation } from '#lab/checkers';

/** What the users of the shop saw: the only evidence besides the databases and the provider's books. */

export interface Attempt {
  readonly operation: number;
  readonly kind: string;
  /** The Idempotency-Key, where one was sent. */
  readonly key: string | undefined;
  /** True time. The answer came at `endMs`. */
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: Outcome;
}

export type Outcome =
  | { readonly status: number; readonly body: unknown }
  | { readonly problem: string; readonly status: number; readonly final: boolean };

export interface History {
  record(attempt: Attempt): void;
  readonly attempts: readonly Attempt[];
}

export function createHistory(): History {
  const attempts: Attempt[] = [];
  return { record: (attempt) => void attempts.push(attempt), attempts };
}

/**
 * In the words of lab/checkers. Whoever reads an order is its buyer, so they share a session; a refusal for good had no
 * effect, and of anything else that was no answer nobody knows.
 */
export function operationsOf(attempts: readonly Attempt[]): Operation[] {
  return attempts.map(({ operation, kind, key, startMs, endMs, outcome }, i) => ({
    id: `${operation}/${i}`,
    process: `${i}`,
    session: `${operation}`,
    kind,
    idempotencyKey: key,
    startMs,
    endMs,
    outcome:
      'problem' in outcome
        ? { type: outcome.final ? 'fail' : 'info', problem: outcome.problem, status: outcome.status }
        : { type: 'ok', status: outcome.status, value: outcome.body },
  }));
}
