/** A problem document (RFC 9457) that was answered instead of a result, or what kept an answer from coming. */
export class ApiProblem extends Error {
  /** `orders/price-changed`; `client/offline` and `client/timeout` when there was no answer. */
  readonly code: string;
  /** 0 when there was no answer. */
  readonly status: number;
  /** What to do about it, in a sentence. */
  readonly hint: string;
  readonly retry: 'never' | 'same-key' | { readonly afterMs: number };
  /** Places in the input that are wrong. */
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];
  /** Whatever else the document says, `totalMinor` of a changed price for example. */
  readonly data: Readonly<Record<string, unknown>>;
  /** To quote when asking for help. */
  readonly correlationId: string | undefined;
  /** That was asked, whoever of those behind it the problem is about; the typed client notes it. */
  service: string | undefined;

  constructor(status: number, document: Readonly<Record<string, unknown>>, cause?: unknown) {
    const { code, title, detail, hint, retry, errors, correlationId, ...data } = document;
    super(String(detail ?? title ?? `The server answered ${status}`), cause === undefined ? undefined : { cause });
    this.name = 'ApiProblem';
    this.code = String(code ?? `http/${status}`);
    this.status = status;
    this.hint = String(hint ?? '');
    this.retry = (retry ?? (status >= 500 ? 'same-key' : 'never')) as ApiProblem['retry'];
    this.errors = (errors ?? []) as ApiProblem['errors'];
    this.data = data;
    this.correlationId = correlationId as string | undefined;
  }

  /** Nothing is known about the effect, or there was none: the same call under the same key is harmless. */
  get mayRepeat(): boolean {
    return this.retry !== 'never';
  }
}

export function isApiProblem(error: unknown, code?: string): error is ApiProblem {
  return error instanceof ApiProblem && (code === undefined || error.code === code);
}

export function offline(cause: unknown): ApiProblem {
  const title = 'The shop can’t be reached just now';
  return new ApiProblem(0, { code: 'client/offline', title, hint: 'Check the connection.', retry: 'same-key' }, cause);
}

export function noAnswer(afterMs: number): ApiProblem {
  const title = `No answer within ${Math.round(afterMs / 1000)} seconds`;
  return new ApiProblem(0, { code: 'client/timeout', title, hint: 'Try again.', retry: 'same-key' });
}
