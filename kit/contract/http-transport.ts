import { Readable } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import type { Reply, Request, Transport } from '#kit/runtime';
import { headerNames, millisecondsIn } from './context.ts';
import { plainHeaders, requestWhole, type WholeReply } from './http-whole.ts';
import { UnreadJson } from './json-body.ts';
import { toLines } from './ndjson.ts';
import type { OperationDescription, ServiceContract } from './operation.ts';
import { contractProblems, isProblem } from './problem.ts';

export interface HttpTransportOptions {
  readonly contracts: readonly ServiceContract[];
  /** Where all services are found: `http://127.0.0.1:8080`, a gateway or one process. */
  readonly origin: string;
  /** Connections kept. More help only while the other side has idle cores. Default 32. */
  readonly connectionsMax?: number;
}

export interface HttpTransport extends Transport {
  close(): Promise<void>;
}

/** Carries requests to one origin over pooled HTTP/1.1 (undici `request`; `fetch` costs eight times as much a call). */
export function createHttpTransport({ contracts, origin, connectionsMax = 32 }: HttpTransportOptions): HttpTransport {
  const exchange = createHttpExchange(contracts);
  const pool = new Pool(origin, {
    connections: connectionsMax,
    pipelining: 1,
    keepAliveTimeout: 60_000,
    connect: { timeout: 1_000 },
  });
  return {
    send: (request, signal) => exchange(pool, request, signal),
    close: () => pool.close(),
  };
}

/** One request and its reply over the connections of `pool`. Rejects with a `Problem` that says whether it was sent. */
export type HttpExchange = (pool: Dispatcher, request: Request, signal: AbortSignal) => Promise<Reply>;

export function createHttpExchange(contracts: readonly ServiceContract[]): HttpExchange {
  const operations = new Map(
    contracts.map((contract) => [contract.service, new Map(Object.entries(contract.operations))]),
  );
  return async (pool, request, signal) => {
    const operation = operations.get(request.service)?.get(request.operation);
    if (!operation) throw contractProblems['not-found']({ detail: `${request.service} has no ${request.operation}` });
    try {
      return await sendTo(pool, operation, request, signal);
    } catch (error) {
      throw isProblem(error) ? error : sendProblem(request, error, signal);
    }
  };
}

/** Whether the other side was not reached at all, so that nothing can have happened there. */
export function isNotSent(error: unknown): boolean {
  return isProblem(error) && isConnectFailure(error.cause);
}

async function sendTo(
  pool: Dispatcher,
  operation: OperationDescription,
  request: Request,
  signal: AbortSignal,
): Promise<Reply> {
  const deadlineMs = millisecondsIn(request.headers[headerNames.deadlineMs]) || 30_000;
  const options = {
    path: pathOf(operation.path, request),
    method: operation.method as Dispatcher.HttpMethod,
    ...wireBody(operation, request),
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
  };
  if (operation.stream === 'reply') return readStream(await pool.request({ ...options, signal }));
  return replyOf(await requestWhole(pool, options, signal), request.passesOn === true);
}

function replyOf({ status, headers, text }: WholeReply, passesOn = false): Reply {
  if (text === '') return { status, headers };
  // What went wrong is looked at on its way, by whoever tries again.
  const staysText = (passesOn && status < 400) || !headers['content-type']?.includes('json');
  return { status, headers, body: staysText ? text : JSON.parse(text) };
}

/** A stream of values as they come; or a problem, which is whole. */
async function readStream({ statusCode: status, headers: raw, body }: Dispatcher.ResponseData): Promise<Reply> {
  const headers = plainHeaders(raw);
  if (headers['content-type']?.includes('ndjson')) return { status, headers, body: parseLines(body) };
  return replyOf({ status, headers, text: await body.text() });
}

/** What comes back over this transport, whatever the client at the door wants to get: the door makes that of it. */
const accept = 'application/json, application/x-ndjson';

/** A body in the form that its operation wants, with the headers that say so. */
function wireBody(operation: OperationDescription, { headers: given, body }: Request) {
  const headers = given['accept'] === undefined ? given : { ...given, accept };
  if (body === undefined) return { headers, body: null };
  if (operation.stream === 'request') {
    const lines = Readable.from(toLines(body as AsyncIterable<unknown>), { objectMode: false });
    return { headers: { ...headers, 'content-type': 'application/x-ndjson' }, body: lines };
  }
  const own = { ...headers, 'content-type': 'application/json' };
  if (body instanceof UnreadJson) return { headers: own, body: body.bytes };
  return { headers: own, body: operation.rawBody ? (body as string) : JSON.stringify(body) };
}

async function* parseLines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line) yield JSON.parse(line);
  }
  if (rest) yield JSON.parse(rest);
}

function pathOf(pattern: string, request: Request): string {
  const path = pattern.includes('{')
    ? pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(request.params[name] ?? ''))
    : pattern;
  const given = Object.entries(request.query);
  if (given.length === 0) return path;
  const query = new URLSearchParams();
  for (const [name, value] of given) {
    for (const item of typeof value === 'string' ? [value] : value) query.append(name, item);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

const connectFailures = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function isConnectFailure(error: unknown): boolean {
  return connectFailures.has((error as { code?: string } | undefined)?.code ?? '');
}

function sendProblem(request: Request, error: unknown, signal: AbortSignal): Error {
  const what = `${request.service}.${request.operation}`;
  if (signal.aborted) return contractProblems.timeout({ detail: `${what} was abandoned`, cause: error });
  const code = (error as { code?: string }).code ?? '';
  if (isConnectFailure(error)) {
    const detail = `no connection for ${what} (${code})`;
    return contractProblems.unavailable({ detail, retry: 'same-key', cause: error });
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return contractProblems.timeout({ detail: `${what} did not answer in time`, cause: error });
  }
  return contractProblems.unavailable({
    detail: `the connection to ${what} broke (${code || (error as Error).message})`,
    retry: 'same-key',
    cause: error,
  });
}
