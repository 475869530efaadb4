import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock, Reply, Request } from '#kit/runtime';
import { type CompressionOptions, compressReplies, plainTags, refusesEncoding } from './http-compression.ts';
import { flawInHead } from './http-head.ts';
import { refuseBytes, refuseExpectation, refuseTunnel } from './http-refuse.ts';
import { checkCharset, decode, parseJson, UnreadJson } from './json-body.ts';
import { isAsyncIterable, linesOf, toEvents, toLines } from './ndjson.ts';
import type { OperationDescription } from './operation.ts';
import { contractProblems, isProblem, type Problem, toProblem } from './problem.ts';
import { problemReply, type ServiceServer } from './server.ts';
import { watchUnasked } from './unasked.ts';

export const bodySizeBytesDefault = 256 * 1024;

/** What is known of a request as soon as its head has arrived. */
export interface Arrival {
  readonly method: string;
  /** Without the query. For routing: it may hold what identifies people, so it is not for logs. */
  readonly path: string;
  /** The connection, to look up what is known of the peer. */
  readonly connection: object;
  /** Address of the peer: the client, or the proxy before us. */
  readonly remoteAddress: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Undefined where nothing is served. */
  readonly route: HttpRoute | undefined;
  readonly correlationId: string | undefined;
}

/** What is decided about a request before anything else happens to it. */
export interface Greeting {
  /** Named in every problem that this request gets. */
  readonly correlationId?: string;
  /** Headers of the reply, whatever it will be. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers at once, for example a CORS preflight. */
  readonly reply?: Reply;
}

/** Adds headers to the reply of a request, whatever the reply will be. Lower-case names. */
export type ReplyHeaders = (headers: Readonly<Record<string, string>>) => void;

/** One request that is over, for request logs and metrics. */
export interface Responded {
  readonly arrival: Arrival;
  /** The request as it was admitted; undefined when it was refused before. */
  readonly request: Request | undefined;
  readonly status: number;
  readonly durationMs: number;
  /** The client went away before the reply was complete. */
  readonly aborted: boolean;
}

export interface HttpServerOptions {
  /** Operations to serve: of which service, under which name. */
  readonly routes: readonly HttpRoute[];
  /** Turns what came over the wire into the request that is handled: identity, correlation id, forbidden headers. */
  readonly admit: (request: Request, arrival: Arrival, replyHeaders: ReplyHeaders) => Request | Promise<Request>;
  /** Looks at each request first, also at those that no route takes. */
  readonly greet?: (arrival: Omit<Arrival, 'correlationId'>) => Greeting;
  /** The path and query to serve instead of those that came, for prefixes that are no part of a contract. */
  readonly rewriteUrl?: (request: IncomingMessage) => string;
  /** Told of each request after its reply, with the time that it took by this clock. */
  readonly watch?: {
    readonly clock: Pick<Clock, 'monotonicMs'>;
    readonly onResponded: (responded: Responded) => void;
  };
  /** Serves over TLS with these settings. Default: plain. */
  readonly tls?: TlsOptions;
  /** Largest head in bytes. Default 16 KiB. */
  readonly headSizeBytesMax?: number;
  /** A client that has not sent its whole head after this is cut off. Default 10,000 ms. */
  readonly headTimeoutMs?: number;
  /**
   * A client that has not sent its whole request after this is cut off. Default 10,000 ms, or 300,000 ms where an
   * operation takes a stream.
   */
  readonly requestTimeoutMs?: number;
  /** JSON is handed over as the bytes that came, and checked by whoever takes it (`UnreadJson`): for doors that pass it on. Default false. */
  readonly leavesBodies?: boolean;
  /** Compresses replies, as clients accept it. Default: none. For doors to the outside; between processes it costs more than it saves. */
  readonly compression?: CompressionOptions;
  /** Connections at once; more are closed as they come. Default 10,000. */
  readonly connectionsMax?: number;
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

/** What Fastify keeps with each route and request for us. */
interface RouteConfig {
  readonly route?: HttpRoute;
}
interface Visit {
  readonly arrival: Arrival;
  admitted: Request | undefined;
  /** Calls off what is under way for it. */
  abort: AbortController | undefined;
}
/** A field of Fastify's requests: in a map beside them, finding and forgetting them costs 1 % of what a gateway does. */
interface Visited {
  visit?: Visit;
}
const visitOf = (request: FastifyRequest): Visit | undefined => (request as Visited).visit;

/**
 * Serves operations over HTTP/1.1. The wire is checked here (media type, charset, UTF-8, JSON, nesting, sizes); what the
 * values mean is checked by the service, so it is checked however a request arrives. Every error is a problem document,
 * even for bytes that aren't HTTP.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { routes } = options;
  const takesStreams = routes.some((route) => route.operation.stream === 'request');
  const http = {
    maxHeaderSize: options.headSizeBytesMax ?? 16 * 1024,
    headersTimeout: options.headTimeoutMs ?? 10_000,
    // How often the two time-outs are looked at; Node's default of 30 s would make 10 s into up to 40.
    connectionsCheckingInterval: 2_000,
    // Checked in `welcome`, which answers with a problem.
    requireHostHeader: false,
  };
  const app = fastify({
    logger: false,
    bodyLimit: bodySizeBytesDefault,
    requestTimeout: options.requestTimeoutMs ?? (takesStreams ? 300_000 : 10_000),
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    // While closing, requests on open connections are still answered, with Connection: close.
    return503OnClosing: false,
    ...(options.tls ? { https: { ...http, ...options.tls } } : { http }),
    routerOptions: { maxParamLength: 512 },
    exposeHeadRoutes: false,
    ...(options.rewriteUrl ? { rewriteUrl: options.rewriteUrl } : {}),
    clientErrorHandler: (error, socket) => refuseBytes(error, socket),
    frameworkErrors: (error, request, reply) => {
      welcome(options, request, reply);
      sendProblem(request, reply, error);
    },
  });
  app.server.maxConnections = options.connectionsMax ?? 10_000;
  const unasked = watchUnasked(app.server);
  app.server.on('checkExpectation', refuseExpectation);
  app.server.on('connect', (_request, socket) => refuseTunnel(socket));
  app.decorateRequest('visit', undefined);
  addBodyParsers(app, options.leavesBodies ? (bytes) => new UnreadJson(bytes) : parseJson);
  app.addHook('onRequest', (request, reply, done) => {
    const answer = welcome(options, request, reply);
    if (answer) sendReply(reply, answer);
    else if (refusesEncoding(request)) refuseEncoding(request, reply);
    else done();
  });
  // A connection whose request was under way when closing began would otherwise stay for its whole keep-alive time.
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    unasked.end();
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close');
    done(null, payload);
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = allowedMethods(routes, request.url);
    if (methods.length === 0) return sendProblem(request, reply, contractProblems['not-found']());
    reply.header('allow', methods.join(', '));
    if (request.method === 'OPTIONS') return sendReply(reply, { status: 204, headers: {} });
    return sendProblem(
      request,
      reply,
      contractProblems['method-not-allowed']({ detail: `use ${methods.join(' or ')}` }),
    );
  });
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error));

  const addRoutes = (scope: FastifyInstance) => addRoutesTo(scope, options);
  if (options.compression) compressReplies(app, options.compression, addRoutes);
  else addRoutes(app);
  return app;
}

function addRoutesTo(app: FastifyInstance, { routes, admit }: HttpServerOptions): void {
  for (const route of routes) {
    const { method, path, bodySizeBytesMax } = route.operation;
    app.route({
      method: method === 'GET' ? ['GET', 'HEAD'] : method,
      url: path.replaceAll(/\{(\w+)\}/g, ':$1'),
      config: { route } satisfies RouteConfig,
      ...(bodySizeBytesMax ? { bodyLimit: bodySizeBytesMax } : {}),
      handler: (request, reply) => serve(route, request, reply, admit),
    });
  }
}

function refuseEncoding(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('accept-encoding', 'identity');
  const detail = `Content-Encoding ${request.headers['content-encoding']} is not accepted: send the body as it is`;
  sendProblem(request, reply, contractProblems['unsupported-media-type']({ detail }));
}

function routeOf(request: FastifyRequest): HttpRoute | undefined {
  return (request.routeOptions.config as RouteConfig | undefined)?.route;
}

/** Greets a request, sets what every reply to it carries, and answers at once when there is reason to. */
function welcome(options: HttpServerOptions, request: FastifyRequest, reply: FastifyReply): Reply | undefined {
  const { greet, watch } = options;
  // The server as a whole is meant (RFC 9110, section 7.1).
  const isOfAll = request.originalUrl === '*';
  const head = {
    method: request.method,
    path: pathIn(request.url),
    connection: request.raw.socket,
    remoteAddress: request.raw.socket.remoteAddress ?? '',
    headers: plainTags(request.headers),
    route: request.is404 ? undefined : routeOf(request),
  };
  const greeting = greet?.(head) ?? {};
  const arrival: Arrival = { ...head, correlationId: greeting.correlationId };
  const visit: Visit = { arrival, admitted: undefined, abort: undefined };
  (request as Visited).visit = visit;
  if (greeting.headers) reply.headers(greeting.headers);
  const startMs = watch?.clock.monotonicMs() ?? 0;
  reply.raw.once('close', () => {
    if (!reply.raw.writableEnded) visit.abort?.abort(contractProblems.timeout({ detail: 'the caller has gone' }));
    watch?.onResponded({
      arrival,
      request: visit.admitted,
      status: reply.raw.statusCode,
      durationMs: watch.clock.monotonicMs() - startMs,
      aborted: !reply.raw.writableFinished,
    });
  });
  const flaw =
    flawInHead(request.raw) ?? (isOfAll && request.method !== 'OPTIONS' ? '* goes with OPTIONS alone' : undefined);
  if (flaw !== undefined) {
    // Whoever stands before us may take the bytes that follow for something else than we do.
    reply.header('connection', 'close');
    return problemReply(contractProblems['malformed-request']({ detail: flaw }), greeting.correlationId);
  }
  return greeting.reply ?? (isOfAll ? { status: 204, headers: {} } : undefined);
}

function addBodyParsers(app: FastifyInstance, read: (bytes: Buffer) => unknown): void {
  app.removeAllContentTypeParsers();
  const unsupported = (detail: string) => contractProblems['unsupported-media-type']({ detail });
  app.addContentTypeParser(
    /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/,
    { parseAs: 'buffer' },
    (request, body, done) => {
      const operation = routeOf(request)?.operation;
      try {
        if (operation?.stream === 'request') throw unsupported('send application/x-ndjson: one JSON value a line');
        // Clients that name a type on every request do so on those without a body too.
        if (body.length === 0 && !operation?.body) done(null, undefined);
        else if (operation?.rawBody) done(null, decode(body as Buffer));
        else {
          checkCharset(request.headers['content-type'] ?? '');
          done(null, read(body as Buffer));
        }
      } catch (error) {
        done(error as Error);
      }
    },
  );
  app.addContentTypeParser(/^application\/x-ndjson\s*(?:;|$)/, (request, payload, done) => {
    if (routeOf(request)?.operation.stream === 'request') done(null, payload);
    else done(unsupported('send application/json: this operation takes no stream'));
  });
}

async function serve(
  route: HttpRoute,
  incoming: FastifyRequest,
  outgoing: FastifyReply,
  admit: HttpServerOptions['admit'],
): Promise<FastifyReply> {
  const abort = new AbortController();
  const visit = visitOf(incoming) as Visit;
  visit.abort = abort;
  let reply: Reply;
  try {
    const body = route.operation.stream === 'request' ? linesOf(incoming.body as Readable | undefined) : incoming.body;
    const request = await admit(
      {
        service: route.service,
        operation: route.name,
        params: incoming.params as Record<string, string>,
        query: incoming.query as Record<string, string | string[]>,
        headers: visit.arrival.headers as Record<string, string>,
        ...(body === undefined || body === null ? {} : { body }),
      },
      visit.arrival,
      (headers) => void outgoing.headers(headers),
    );
    visit.admitted = request;
    reply = await route.server.handle(request, abort.signal);
  } catch (error) {
    return sendProblem(incoming, outgoing, error);
  }
  return sendReply(outgoing, reply);
}

function sendProblem(incoming: FastifyRequest, outgoing: FastifyReply, error: unknown): FastifyReply {
  const problem = wireProblem(error);
  return sendReply(outgoing, problemReply(problem, visitOf(incoming)?.arrival.correlationId));
}

const eventStream = 'text/event-stream';

function sendReply(outgoing: FastifyReply, reply: Reply): FastifyReply {
  outgoing.code(reply.status).headers(reply.headers);
  if (reply.body === undefined || reply.status === 204 || reply.status === 304) return outgoing.send();
  if (isAsyncIterable(reply.body)) {
    const asEvents = String(outgoing.request.headers.accept ?? '').includes(eventStream);
    outgoing.header('content-type', asEvents ? eventStream : 'application/x-ndjson');
    if (outgoing.request.method === 'HEAD') {
      // Nobody will read it: what feeds it must not be kept waiting.
      reply.body[Symbol.asyncIterator]().return?.();
      return outgoing.send();
    }
    const text = asEvents ? toEvents(reply.body) : toLines(reply.body);
    return outgoing.send(Readable.from(text, { objectMode: false }));
  }
  if (!reply.headers['content-type']) outgoing.header('content-type', 'application/json; charset=utf-8');
  if (typeof reply.body === 'string' || reply.body instanceof Uint8Array) return outgoing.send(reply.body);
  return outgoing.serializer(JSON.stringify).send(reply.body);
}

/** Fastify's own errors, in our words. */
function wireProblem(error: unknown): Problem {
  if (isProblem(error)) return error;
  const { code, message } = error as { code?: string; message?: string };
  // Of a content type that is none of ours its message says no more than our title.
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return contractProblems['unsupported-media-type']();
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return contractProblems['body-too-large']();
  if (code?.startsWith('FST_ERR_CTP')) {
    return contractProblems['malformed-json']({ ...(message ? { detail: message } : {}) });
  }
  if (code === 'FST_ERR_BAD_URL')
    return contractProblems['malformed-request']({ detail: 'the path is not a valid URL' });
  if (code === 'FST_ERR_MAX_PARAM_LENGTH')
    return contractProblems['not-found']({ detail: 'a part of the path is too long' });
  return toProblem(error);
}

function pathIn(url: string): string {
  const at = url.indexOf('?');
  return at === -1 ? url : url.slice(0, at);
}

function allowedMethods(routes: readonly HttpRoute[], url: string): string[] {
  const segments = pathIn(url).split('/');
  const fits = (pattern: string) => {
    const wanted = pattern.split('/');
    return wanted.length === segments.length && wanted.every((part, i) => part.startsWith('{') || part === segments[i]);
  };
  const found = new Set<string>(
    routes.filter((route) => fits(route.operation.path)).map(({ operation }) => operation.method),
  );
  if (found.size === 0) return [];
  if (found.has('GET')) found.add('HEAD');
  return [...found, 'OPTIONS'];
}
