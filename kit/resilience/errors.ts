/** Whose fault an error is. Only `unavailable`, `timeout` and `internal` say that a dependency is not well. */
export type Category = 'input' | 'auth' | 'conflict' | 'unavailable' | 'timeout' | 'internal';

/** What a caller may do: give up, repeat with the same idempotency key, or the same no sooner than `afterMs`. */
export type Retry = 'never' | 'same-key' | { readonly afterMs: number };

/** What the policies look at in an error, whatever class it is of. */
export interface Classified {
  readonly category: Category;
  readonly retry: Retry;
}

const categories: ReadonlySet<unknown> = new Set<Category>([
  'input',
  'auth',
  'conflict',
  'unavailable',
  'timeout',
  'internal',
]);

/** An error that says nothing about itself is a bug: internal, and repeating it changes nothing. */
export function categoryOf(error: unknown): Category {
  const category = (error as Partial<Classified> | null | undefined)?.category;
  return categories.has(category) ? (category as Category) : 'internal';
}

export function retryOf(error: unknown): Retry {
  const retry = (error as Partial<Classified> | null | undefined)?.retry;
  if (retry === 'same-key') return retry;
  return typeof retry === 'object' && Number.isFinite(retry?.afterMs) ? retry : 'never';
}

/** Whether the error counts against the dependency that answered with it. */
export function isDependencyFailure(error: unknown): boolean {
  const category = categoryOf(error);
  return category === 'unavailable' || category === 'timeout' || category === 'internal';
}

/** On a reply that failed though whoever gave it is well: `load` or `elsewhere`, as `Fault` of kit/contract has it. */
export const faultHeader = 'holdfast-fault';

interface RefusalDescription extends Classified {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly hint: string;
  /** Why whoever refuses is well itself; see `Fault` of kit/contract. */
  readonly fault: 'load' | 'elsewhere';
}

/** Marks errors that can be answered as RFC 9457 problem details; the symbol is shared with kit/contract. */
const brand = Symbol.for('holdfast.problem');

/** A call was not made, or not waited for any longer. Shaped like a problem of kit/contract, so it can be answered. */
export class RefusalError extends Error {
  readonly [brand] = true;
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly category: Category;
  readonly retry: Retry;
  readonly hint: string;
  readonly fault: 'load' | 'elsewhere';
  readonly detail: string;
  readonly errors: readonly never[] = [];
  readonly data: Readonly<Record<string, unknown>> = {};

  constructor(description: RefusalDescription, detail: string) {
    super(detail);
    this.name = 'RefusalError';
    this.code = description.code;
    this.status = description.status;
    this.title = description.title;
    this.category = description.category;
    this.retry = description.retry;
    this.hint = description.hint;
    this.fault = description.fault;
    this.detail = detail;
  }

  toJSON(): Record<string, unknown> {
    const { code, title, status, detail, category, retry, hint } = this;
    return { type: `/problems/${code}`, title, status, detail, code, category, retry, hint };
  }
}

export function deadlineExceeded(detail: string): RefusalError {
  return new RefusalError(
    {
      code: 'resilience/deadline-exceeded',
      status: 504,
      title: 'It took longer than the caller can wait',
      category: 'timeout',
      retry: 'same-key',
      fault: 'elsewhere',
      hint: 'The effect is unknown: repeat the same request, with the same Idempotency-Key where it has one.',
    },
    detail,
  );
}

export function breakerOpen(name: string, afterMs: number): RefusalError {
  return new RefusalError(
    {
      code: 'resilience/breaker-open',
      status: 503,
      title: 'A dependency is failing and is left alone for a while',
      category: 'unavailable',
      retry: { afterMs },
      fault: 'elsewhere',
      hint: 'Look at the health of the dependency named in the detail; calls resume by themselves.',
    },
    `${name} failed too often lately; not called`,
  );
}

export function bulkheadFull(name: string, concurrencyMax: number, queueMax: number, afterMs: number): RefusalError {
  return new RefusalError(
    {
      code: 'resilience/overloaded',
      status: 503,
      title: 'Too many calls are under way',
      category: 'unavailable',
      retry: { afterMs },
      fault: 'load',
      hint: 'Send less, or give the dependency more capacity and the bulkhead more room.',
    },
    `${name}: ${concurrencyMax} calls under way and ${queueMax} waiting`,
  );
}
