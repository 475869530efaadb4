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
