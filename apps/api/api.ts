import { eventsOf } from './events.ts';
import type { Calls, Contract, Operation } from './operation.ts';
import { ApiProblem, noAnswer, offline } from './problem.ts';

export interface ApiOptions<Contracts extends Readonly<Record<string, Contract>>> {
  readonly contracts: Contracts;
  /** Default: where the page came from. */
  readonly origin?: string;
  /** The access token to send, if any; asked before each call. */
  readonly token?: () => Promise<string | undefined>;
  /** Told when a token was refused: it may have a better one, and the call is then repeated once. */
  readonly onTokenRefused?: () => Promise<boolean>;
  /** What asks: noted in traces. */
  readonly client?: string;
  /** Default: the browser's. */
  readonly fetch?: typeof fetch;
}

export type Api<Contracts extends Readonly<Record<string, Contract>>> = {
  readonly [Name in keyof Contracts]: Calls<Contracts[Name]>;
};

/** What a call may bring, whatever its operation. */
interface AnyInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly key?: string;
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly waitSec?: number;
}

const deadlineMsDefault = 2_000;
/** The server ends what takes too long and says so; only when not even that comes is the call given up here. */
const patienceMs = 4_000;
const repeatAfterMs = 400;

/** A typed client of the public door: `api.products.search({ query: { q: 'rope' } })`. Rejects with `ApiProblem`. */
export function createApi<const Contracts extends Readonly<Record<string, Contract>>>(
  options: ApiOptions<Contracts>,
): Api<Contracts> {
  const { contracts } = options;
  const api: Record<string, Record<string, unknown>> = {};
  for (const [service, { operations }] of Object.entries(contracts)) {
    const calls: Record<string, unknown> = {};
    for (const [name, operation] of Object.entries(operations)) {
      calls[name] =
        operation.stream === 'reply'
          ? (input: AnyInput = {}) => follow(options, operation, input)
          : (input: AnyInput = {}) => call(options, operation, input).catch(askedOf(service));
    }
    api[service] = calls;
  }
  return api as Api<Contracts>;
}

/** Whoever shows a problem can say what it means that this service is away. */
function askedOf(service: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof ApiProblem) error.service = service;
    throw error;
  };
}

type Sender = Pick<ApiOptions<never>, 'origin' | 'token' | 'onTokenRefused' | 'client' | 'fetch'>;

async function call(sender: Sender, operation: Operation, input: AnyInput) {
  const timeoutMs = input.timeoutMs ?? (operation.deadlineMs ?? deadlineMsDefault) + patienceMs;
  const wanted = requestOf(operation, input);
  const send = () =>
    withTimeout(timeoutMs, input.signal, (signal) => answerTo(sender, operation, input, wanted, signal));
  try {
    return await send();
  } catch (error) {
    if (!isWorthRepeating(error, operation, input.signal)) throw error;
    await new Promise((resolve) => setTimeout(resolve, repeatAfterMs));
    return send();
  }
}

/** Reads only: a change is repeated by whoever holds its key, with a person looking on. */
function isWorthRepeating(error: unknown, { method }: Operation, signal?: AbortSignal): boolean {
  return method === 'GET' && !signal?.aborted && error instanceof ApiProblem && error.mayRepeat && error.status !== 429;
}

async function answerTo(
  sender: Sender,
  operation: Operation,
  input: AnyInput,
  wanted: RequestInit,
  signal: AbortSignal,
): Promise<unknown> {
  const reply = await send(sender, urlOf(sender.origin, operation, input), { ...wanted, signal });
  const text = await reply.text();
  const etag = reply.headers.get('etag');
  return { status: reply.status, body: text === '' ? undefined : JSON.parse(text), ...(etag ? { etag } : {}) };
}

/** The values of a streamed reply, until it ends or whoever listens stops. */
async function* follow(sender: Sender, operation: Operation, input: AnyInput): AsyncGenerator<unknown> {
  const { signal } = input;
  const wanted = requestOf(operation, input, 'text/event-stream');
  const reply = await send(sender, urlOf(sender.origin, operation, input), {
    ...wanted,
    ...(signal ? { signal } : {}),
  });
  if (!reply.body) return;
  try {
    yield* eventsOf(reply.body);
  } catch (error) {
    if (signal?.aborted) return;
    throw offline(error);
  }
}

function requestOf({ method, idempotency }: Operation, input: AnyInput, accept = 'application/json'): RequestInit {
  const { body, ifMatch, waitSec } = input;
  const key = input.key ?? (idempotency === 'required' ? crypto.randomUUID() : undefined);
  return {
    method,
    headers: {
      accept,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      ...(waitSec === undefined ? {} : { prefer: `wait=${waitSec}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // Tokens travel in a header; cookies never.
    credentials: 'omit',
    cache: 'no-store',
  };
}

const aboutToken = new Set(['gateway/token-refused', 'contract/unauthenticated']);

async function send(sender: Sender, url: string, wanted: RequestInit): Promise<Response> {
  const reply = await sendOnce(sender, url, wanted);
  if (reply.ok) return reply;
  const problem = await problemOf(reply);
  // A wrong password is a 401, too, and must not count twice.
  if (!aboutToken.has(problem.code) || !(await sender.onTokenRefused?.())) throw problem;
  const again = await sendOnce(sender, url, wanted);
  if (again.ok) return again;
  throw await problemOf(again);
}

async function sendOnce(sender: Sender, url: string, wanted: RequestInit): Promise<Response> {
  const token = await sender.token?.();
  const headers = {
    ...wanted.headers,
    ...(sender.client === undefined ? {} : { 'x-client': sender.client }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  try {
    return await (sender.fetch ?? fetch)(url, { ...wanted, headers: headers as HeadersInit });
  } catch (error) {
    if (wanted.signal?.aborted) throw wanted.signal.reason;
    throw offline(error);
  }
}

async function problemOf(reply: Response): Promise<ApiProblem> {
  const document = await reply.json().catch(() => ({}));
  return new ApiProblem(reply.status, document);
}

async function withTimeout<T>(
  timeoutMs: number,
  given: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(noAnswer(timeoutMs)), timeoutMs);
  try {
    return await work(given ? AbortSignal.any([given, late.signal]) : late.signal);
  } catch (error) {
    // Reading a body that was cut off rejects with the abort itself.
    throw late.signal.aborted ? late.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

function urlOf(origin = '', { path }: Operation, { params = {}, query = {} }: AnyInput): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item));
  }
  const text = search.toString();
  return `${origin}${filled}${text === '' ? '' : `?${text}`}`;
}
