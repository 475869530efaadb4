import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Reply, Request } from '#kit/runtime';
import type { OperationDescription } from './operation.ts';
import { contractProblems, isProblem, type Problem, toProblem } from './problem.ts';
import { problemReply, type ServiceServer } from './server.ts';

export const bodySizeBytesDefault = 256 * 1024;
const nestingMax = 32;

export interface HttpServerOptions {
  /** Operations to serve: of which service, under which name. */
  readonly routes: readonly HttpRoute[];
  /** Turns what came over the wire into the request that is handled: identity, correlation id, forbidden headers. */
  readonly admit: (request: Request) => Request | Promise<Request>;
  /** Largest head in bytes. Default 16 KiB. */
  readonly headSizeBytesMax?: number;
  /** A client that has not sent its whole request after this is cut off. Default 10,000 ms. */
  readonly requestTimeoutMs?: number;
}

export interface HttpRoute {
  readonly server: Pick<ServiceServer, 'handle'>;
  readonly service: string;
  readonly name: string;
  readonly operation: OperationDescription;
}

/** All operations of a service as routes. */
export function routesOf(server: ServiceServer): HttpRoute[] {
  return Object.entries(server.contract.operations).map(([name, operation]) => ({
    server,
    service: server.contract.service,
    name,
    operation,
  }));
}

/**
 * Serves operations over HTTP/1.1. The wire is checked here (media type, charset, UTF-8, JSON, nesting, sizes); what the
 * values mean is checked by the service, so it is checked however a request arrives.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { routes, admit } = options;
  const app = fastify({
    logger: false,
    bodyLimit: bodySizeBytesDefault,
    requestTimeout: options.requestTimeoutMs ?? 10_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: options.headSizeBytesMax ?? 16 * 1024 },
    routerOptions: { maxParamLength: 512 },
    exposeHeadRoutes: false,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(/^application\/(?:[\w.-]+\+)?json(?:;|$)/, { parseAs: 'buffer' }, (request, body, done) => {
    try {
      const { raw } = request.routeOptions.config as { raw?: boolean };
      done(null, raw ? decode(body as Buffer) : parseJson(body as Buffer, request.headers['content-type'] ?? ''));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser(/^application\/x-ndjson/, (_request, payload, done) => done(null, payload));
  app.setNotFoundHandler((request, reply) => {
    const methods = allowedMethods(routes, request.url);
    if (methods.length === 0) return sendReply(reply, problemReply(contractProblems['not-found']()));
    const refused = problemReply(contractProblems['method-not-allowed']({ detail: `use ${methods.join(' or ')}` }));
    return sendReply(reply, { ...refused, headers: { ...refused.headers, allow: methods.join(', ') } });
  });
  app.setErrorHandler((error, _request, reply) => sendReply(reply, problemReply(wireProblem(error))));

  for (const route of routes) {
    app.route({
      method: route.operation.method,
      url: route.operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { raw: route.operation.rawBody ?? false },
      ...(route.operation.bodySizeBytesMax ? { bodyLimit: route.operation.bodySizeBytesMax } : {}),
      handler: (request, reply) => serve(route, request, reply, admit),
    });
  }
  return app;
}

async function serve(
  route: HttpRoute,
  incoming: FastifyRequest,
  outgoing: FastifyReply,
  admit: HttpServerOptions['admit'],
): Promise<FastifyReply> {
  const abort = new AbortController();
  const onClose = () => {
    if (!outgoing.raw.writableEnded) abort.abort(contractProblems.timeout({ detail: 'the caller has gone' }));
  };
  outgoing.raw.once('close', onClose);
  let reply: Reply;
  try {
    const body = route.operation.stream === 'request' ? linesOf(incoming.body as Readable | undefined) : incoming.body;
    const request = await admit({
      service: route.service,
      operation: route.name,
      params: incoming.params as Record<string, string>,
      query: incoming.query as Record<string, string | string[]>,
      headers: incoming.headers as Record<string, string>,
      ...(body === undefined || body === null ? {} : { body }),
    });
    reply = await route.server.handle(request, abort.signal);
  } catch (error) {
    reply = problemReply(toProblem(error));
  }
  return sendReply(outgoing, reply);
}

function sendReply(outgoing: FastifyReply, reply: Reply): FastifyReply {
  outgoing.code(reply.status).headers(reply.headers);
  if (reply.body === undefined || reply.status === 204) return outgoing.send();
  if (isAsyncIterable(reply.body)) {
    outgoing.header('content-type', 'application/x-ndjson');
    return outgoing.send(Readable.from(toLines(reply.body), { objectMode: false }));
  }
  if (!reply.headers['content-type']) outgoing.header('content-type', 'application/json; charset=utf-8');
  if (typeof reply.body === 'string') return outgoing.send(reply.body);
  return outgoing.serializer(JSON.stringify).send(reply.body);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

async function* toLines(values: AsyncIterable<unknown>): AsyncIterable<string> {
  for await (const value of values) yield `${JSON.stringify(value)}\n`;
}

/** Longest line of an NDJSON request. */
const lineSizeCharsMax = 1024 * 1024;

async function* linesOf(stream: Readable | undefined): AsyncIterable<unknown> {
  if (!stream) return;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let line = 0;
  const parse = (text: string): unknown => {
    line += 1;
    try {
      return JSON.parse(text);
    } catch (error) {
      throw contractProblems['malformed-json']({ detail: `line ${line}: ${(error as Error).message}` });
    }
  };
  for await (const chunk of stream) {
    rest += decodeChunk(decoder, chunk as Buffer);
    if (rest.length > lineSizeCharsMax && !rest.includes('\n')) {
      throw contractProblems['body-too-large']({
        detail: `line ${line + 1} is longer than ${lineSizeCharsMax} characters`,
      });
    }
    let at = 0;
    for (let end = rest.indexOf('\n', at); end >= 0; end = rest.indexOf('\n', at)) {
      const text = rest.slice(at, end).trim();
      at = end + 1;
      if (text) yield parse(text);
      else line += 1;
    }
    rest = rest.slice(at);
  }
  if (rest.trim()) yield parse(rest);
}

function decodeChunk(decoder: InstanceType<typeof TextDecoder>, chunk: Buffer): string {
  try {
    return decoder.decode(chunk, { stream: true });
  } catch {
    throw contractProblems['malformed-json']({ detail: 'the body is not UTF-8' });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw contractProblems['malformed-json']({ detail: 'the body is not UTF-8' });
  }
}

function parseJson(body: Buffer, contentType: string): unknown {
  const charset = /charset="?([^";\s]+)/i.exec(contentType)?.[1];
  if (charset && !/^utf-?8$/i.test(charset)) {
    throw contractProblems['unsupported-media-type']({ detail: `charset ${charset} is not supported` });
  }
  if (body.length === 0) throw contractProblems['malformed-json']({ detail: 'the body is empty' });
  const text = decode(body);
  checkNesting(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw contractProblems['malformed-json']({ detail: (error as Error).message });
  }
}

/** Counts brackets outside strings before parsing, so that a hostile body can't exhaust the stack of later code. */
function checkNesting(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i += 1;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 123 || code === 91) {
      depth += 1;
      if (depth > nestingMax)
        throw contractProblems['too-deep']({ detail: `over ${nestingMax} levels at character ${i}` });
    } else if (code === 125 || code === 93) depth -= 1;
  }
}

/** Fastify's own errors, in our words. */
function wireProblem(error: unknown): Problem {
  if (isProblem(error)) return error;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return contractProblems['body-too-large']();
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return contractProblems['unsupported-media-type']({ ...(message ? { detail: message } : {}) });
  }
  if (code?.startsWith('FST_ERR_CTP')) {
    return contractProblems['malformed-json']({ ...(message ? { detail: message } : {}) });
  }
  if (code === 'FST_ERR_BAD_URL') return contractProblems['not-found']({ detail: 'the path is not a valid URL' });
  return toProblem(error);
}

function allowedMethods(routes: readonly HttpRoute[], url: string): string[] {
  const [path = ''] = url.split('?', 1);
  const segments = path.split('/');
  const fits = (pattern: string) => {
    const wanted = pattern.split('/');
    return wanted.length === segments.length && wanted.every((part, i) => part.startsWith('{') || part === segments[i]);
  };
  return [...new Set(routes.filter((route) => fits(route.operation.path)).map((route) => route.operation.method))];
}
