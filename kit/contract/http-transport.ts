import { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';
import type { Reply, Request, Transport } from '#kit/runtime';
import { headerNames } from './context.ts';
import { toLines } from './ndjson.ts';
import type { OperationDescription, ServiceContract } from './operation.ts';
import { contractProblems } from './problem.ts';

export interface HttpTransportOptions {
  readonly contracts: readonly ServiceContract[];
  /** Origins (`http://127.0.0.1:4101`) of the instances of a service, in order of preference; asked at each call. */
  readonly resolve: (service: string) => readonly string[];
  /** Connections kept to one instance. More help only while the instance has idle cores. Default 32. */
  readonly connectionsMax?: number;
}

export interface HttpTransport extends Transport {
  close(): Promise<void>;
}

/**
 * Carries requests over pooled HTTP/1.1 (undici `request`; `fetch` costs eight times as much a call).
 * When an instance refuses the connection the next one is tried: nothing can have happened there. A connection lost
 * after the request was sent is not repeated here, because its effect is unknown: that is for the caller's policy.
 */
export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const { contracts, resolve, connectionsMax = 32 } = options;
  const agent = new Agent({
    connections: connectionsMax,
    pipelining: 1,
    keepAliveTimeout: 60_000,
    connect: { timeout: 1_000 },
  });
  const operations = new Map(
    contracts.map((contract) => [contract.service, new Map(Object.entries(contract.operations))]),
  );

  return {
    async send(request, signal) {
      const operation = operations.get(request.service)?.get(request.operation);
      if (!operation) throw contractProblems['not-found']({ detail: `${request.service} has no ${request.operation}` });
      const path = pathOf(operation.path, request);
      let refused: unknown;
      for (const origin of resolve(request.service)) {
        try {
          return await sendTo(agent, origin, operation, path, request, signal);
        } catch (error) {
          if (!isConnectFailure(error)) throw sendProblem(request, error, signal);
          refused = error;
        }
      }
      throw contractProblems.unavailable({
        detail: `no instance of ${request.service} accepts connections`,
        cause: refused,
      });
    },
    close: () => agent.close(),
  };
}

async function sendTo(
  agent: Agent,
  origin: string,
  operation: OperationDescription,
  path: string,
  request: Request,
  signal: AbortSignal,
): Promise<Reply> {
  const deadlineMs = Number(request.headers[headerNames.deadlineMs] ?? 0) || 30_000;
  const response = await agent.request({
    origin,
    path,
    method: operation.method as Dispatcher.HttpMethod,
    ...wireBody(operation, request),
    signal,
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
  });
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const type = headers['content-type'] ?? '';
  if (type.includes('ndjson')) return { status: response.statusCode, headers, body: parseLines(response.body) };
  const text = await response.body.text();
  const body = type.includes('json') && text ? JSON.parse(text) : text || undefined;
  return { status: response.statusCode, headers, ...(body === undefined ? {} : { body }) };
}

/** A body in the form that its operation wants, with the headers that say so. */
function wireBody(operation: OperationDescription, { headers, body }: Request) {
  if (body === undefined) return { headers, body: null };
  if (operation.stream === 'request') {
    const lines = Readable.from(toLines(body as AsyncIterable<unknown>), { objectMode: false });
    return { headers: { ...headers, 'content-type': 'application/x-ndjson' }, body: lines };
  }
  const text = operation.rawBody ? (body as string) : JSON.stringify(body);
  return { headers: { ...headers, 'content-type': 'application/json' }, body: text };
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
  const path = pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(request.params[name] ?? ''));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query)) {
    for (const item of typeof value === 'string' ? [value] : value) query.append(name, item);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

const connectFailures = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

function isConnectFailure(error: unknown): boolean {
  return connectFailures.has((error as { code?: string }).code ?? '');
}

function sendProblem(request: Request, error: unknown, signal: AbortSignal): Error {
  const what = `${request.service}.${request.operation}`;
  if (signal.aborted) return contractProblems.timeout({ detail: `${what} was abandoned`, cause: error });
  const code = (error as { code?: string }).code ?? '';
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return contractProblems.timeout({ detail: `${what} did not answer in time`, cause: error });
  }
  return contractProblems.unavailable({
    detail: `the connection to ${what} broke (${code || (error as Error).message})`,
    retry: 'same-key',
    cause: error,
  });
}
