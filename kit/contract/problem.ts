import { blameElsewhere, type Fault } from './fault.ts';

/**
 * Errors for the world, as RFC 9457 problem details. Each package lists its own in one table (`problemTable`), so that
 * the reference page, the OpenAPI document and the code can't drift apart.
 */

/** Whose fault it is: decides the log level, and whether a breaker counts it (unavailable, timeout, internal). */
export type Category = 'input' | 'auth' | 'conflict' | 'unavailable' | 'timeout' | 'internal';

/**
 * What a caller may do: `never` repeat; repeat with the `same-key` (the effect is unknown or not done, and the key makes
 * the repeat harmless); or repeat with the same key no sooner than `afterMs`.
 */
export type Retry = 'never' | 'same-key' | { readonly afterMs: number };

export interface ProblemDescription {
  readonly status: number;
  readonly title: string;
  readonly category: Category;
  readonly retry: Retry;
  /** What to do about it, for the person who reads it at night. */
  readonly hint: string;
  /** Why a service that answers it is well all the same; see `Fault`. Default: what its cause says, or it is not well. */
  readonly fault?: Fault;
}

/** One place in the input that is wrong. */
export interface ProblemPlace {
  /** RFC 6901 pointer into the body (`/lines/0/sku`), or `query:name`, `path:name`, `header:name`. */
  readonly pointer: string;
  readonly detail: string;
}

export interface ProblemDetails {
  /** What was wrong this time. Never holds secrets. */
  readonly detail?: string;
  readonly errors?: readonly ProblemPlace[];
  readonly cause?: unknown;
  /** Overrides the table's advice for this occurrence. */
  readonly retry?: Retry;
  /** Extension members of the problem document. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Headers that the reply gets besides. Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
}

const brand = Symbol.for('holdfast.problem');

export class Problem extends Error {
  readonly [brand] = true;
  /** Stable and unique over all tables: `orders/out-of-stock`. */
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly category: Category;
  readonly retry: Retry;
  readonly hint: string;
  readonly detail: string | undefined;
  readonly errors: readonly ProblemPlace[];
  readonly data: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly fault: Fault | undefined;

  constructor(code: string, description: ProblemDescription, details: ProblemDetails = {}) {
    super(details.detail ?? description.title, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Problem';
    this.code = code;
    this.status = description.status;
    this.title = description.title;
    this.category = description.category;
    this.retry = details.retry ?? description.retry;
    this.hint = description.hint;
    this.detail = details.detail;
    this.errors = details.errors ?? [];
    this.data = details.data ?? {};
    this.headers = details.headers ?? {};
    this.fault = description.fault;
  }

  /** The body of the `application/problem+json` reply. */
  toJSON(): Record<string, unknown> {
    return {
      type: `/problems/${this.code}`,
      title: this.title,
      status: this.status,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      code: this.code,
      category: this.category,
      retry: this.retry,
      hint: this.hint,
      ...(this.errors.length > 0 ? { errors: this.errors } : {}),
      ...this.data,
    };
  }
}

export function isProblem(error: unknown): error is Problem {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true;
}

export type ProblemTable<Names extends string> = {
  readonly [Name in Names]: (details?: ProblemDetails) => Problem;
} & { readonly [tableOf]: { readonly prefix: string; readonly entries: Readonly<Record<Names, ProblemDescription>> } };

const tableOf = Symbol('problems');

/** A table of problems. `problems['out-of-stock']({ detail })` makes one to throw. */
export function problemTable<const Names extends string>(
  prefix: string,
  entries: Readonly<Record<Names, ProblemDescription>>,
): ProblemTable<Names> {
  const table: Record<PropertyKey, unknown> = { [tableOf]: { prefix, entries } };
  for (const [name, description] of Object.entries<ProblemDescription>(entries)) {
    table[name] = (details?: ProblemDetails) => new Problem(`${prefix}/${name}`, description, details);
  }
  return table as ProblemTable<Names>;
}

/** All problems of a table by code, for reference pages and OpenAPI. */
export function describeProblems(table: ProblemTable<string>): Record<string, ProblemDescription> {
  const { prefix, entries } = table[tableOf];
  return Object.fromEntries(Object.entries(entries).map(([name, entry]) => [`${prefix}/${name}`, entry]));
}

/** Rebuilds the problem that a remote service answered with; an unknown shape becomes `contract/bad-reply`. */
export function problemFromReply(status: number, body: unknown): Problem {
  if (typeof body === 'object' && body !== null && typeof (body as { code?: unknown }).code === 'string') {
    const {
      code,
      title,
      detail,
      category,
      retry,
      hint,
      errors,
      type: _type,
      status: _status,
      ...data
    } = body as Record<string, unknown>;
    return new Problem(
      code as string,
      {
        status,
        title: String(title),
        category: category as Category,
        retry: (retry ?? 'never') as Retry,
        hint: String(hint ?? ''),
        fault: 'elsewhere',
      },
      {
        ...(typeof detail === 'string' ? { detail } : {}),
        ...(Array.isArray(errors) ? { errors: errors as ProblemPlace[] } : {}),
        data,
      },
    );
  }
  const problem = contractProblems['bad-reply']({ detail: `status ${status} without a problem document` });
  return blameElsewhere(problem) as Problem;
}

/** What any operation may answer, whatever its service. */
export const contractProblems = problemTable('contract', {
  'invalid-input': {
    status: 400,
    title: 'The request does not fit the contract',
    category: 'input',
    retry: 'never',
    hint: 'Mend the places listed in errors; /openapi.json describes every field.',
  },
  'malformed-json': {
    status: 400,
    title: 'The body is not valid JSON',
    category: 'input',
    retry: 'never',
    hint: 'Send one JSON value in UTF-8.',
  },
  'too-deep': {
    status: 400,
    title: 'The body is nested too deep',
    category: 'input',
    retry: 'never',
    hint: 'No contract needs more than 32 levels.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    category: 'input',
    retry: 'never',
    hint: 'Send less at a time; bulk endpoints take NDJSON streams.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The content type is not supported',
    category: 'input',
    retry: 'never',
    hint: 'Send Content-Type: application/json in UTF-8.',
  },
  'malformed-request': {
    status: 400,
    title: 'This is not a valid HTTP request',
    category: 'input',
    retry: 'never',
    hint: 'Send HTTP/1.1 with a Host header, and a path whose special characters are percent-encoded UTF-8.',
  },
  'head-too-large': {
    status: 431,
    title: 'The request line and headers are too large',
    category: 'input',
    retry: 'never',
    hint: 'Send fewer or shorter headers, or put the values into the body.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request did not arrive in time',
    category: 'input',
    retry: 'same-key',
    hint: 'Send the whole request at once; nothing was done with the part that came.',
  },
  'expectation-failed': {
    status: 417,
    title: 'This expectation is not supported',
    category: 'input',
    retry: 'never',
    hint: 'Leave the Expect header out, or send 100-continue.',
  },
  'idempotency-key-missing': {
    status: 400,
    title: 'An Idempotency-Key header is required',
    category: 'input',
    retry: 'never',
    hint: 'Make one key for each business operation (a UUID will do) and send the same key with every repeat.',
  },
  'idempotency-key-invalid': {
    status: 400,
    title: 'The Idempotency-Key header is not valid',
    category: 'input',
    retry: 'never',
    hint: 'Use 1 to 255 visible ASCII characters.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'This Idempotency-Key was used with another payload',
    category: 'conflict',
    retry: 'never',
    hint: 'A repeat must send the same payload; a new operation needs a new key.',
  },
  'idempotency-key-in-flight': {
    status: 409,
    title: 'The first request with this Idempotency-Key is still being processed',
    category: 'conflict',
    retry: { afterMs: 1000 },
    hint: 'Repeat the same request with the same key after Retry-After.',
  },
  'precondition-required': {
    status: 428,
    title: 'This change needs an If-Match header',
    category: 'input',
    retry: 'never',
    hint: 'Read the resource first and send its ETag in If-Match.',
  },
  'precondition-failed': {
    status: 412,
    title: 'The resource has changed since you read it',
    category: 'conflict',
    retry: 'never',
    hint: 'Read it again, redo your change on the new version and send its ETag.',
  },
  'not-found': {
    status: 404,
    title: 'There is nothing here',
    category: 'input',
    retry: 'never',
    hint: 'Look at the path and method; /openapi.json lists them all.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This method is not allowed here',
    category: 'input',
    retry: 'never',
    hint: 'The Allow header lists the methods of this path.',
  },
  unauthenticated: {
    status: 401,
    title: 'You are not signed in',
    category: 'auth',
    retry: 'never',
    hint: 'Sign in and send the access token as Authorization: Bearer ….',
  },
  forbidden: {
    status: 403,
    title: 'You may not do this',
    category: 'auth',
    retry: 'never',
    hint: 'Ask someone whose role permits it.',
  },
  unavailable: {
    status: 503,
    title: 'The service can not be reached just now',
    category: 'unavailable',
    retry: { afterMs: 1000 },
    hint: 'Repeat with the same Idempotency-Key after Retry-After.',
  },
  timeout: {
    status: 504,
    title: 'The answer did not come in time',
    category: 'timeout',
    retry: 'same-key',
    hint: 'The outcome is unknown: repeat with the same Idempotency-Key to learn it.',
  },
  'clock-skew': {
    status: 503,
    title: 'The clocks of two machines differ by more than the bound',
    category: 'unavailable',
    retry: { afterMs: 5000 },
    hint: 'Check time synchronisation (NTP) on the sender named in detail.',
  },
  'bad-reply': {
    status: 502,
    title: 'A service answered with something that is not in its contract',
    category: 'internal',
    retry: 'same-key',
    hint: 'Look at the versions of the two services.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong on our side',
    category: 'internal',
    retry: 'same-key',
    hint: 'The log line with this correlation id says what; repeating with the same Idempotency-Key is safe.',
  },
});

/**
 * Any thrown value as a problem. Errors that say of themselves that something is away (kit/store's do, with when to
 * come back) become `contract/unavailable`; unknown ones `contract/internal`. The cause is kept for the log and never
 * shown to the caller.
 */
export function toProblem(error: unknown): Problem {
  if (isProblem(error)) return error;
  const { category, retry } = (error ?? {}) as { category?: unknown; retry?: Retry };
  if (category === 'unavailable') return contractProblems.unavailable({ cause: error, ...(retry ? { retry } : {}) });
  return contractProblems.internal({ cause: error });
}
