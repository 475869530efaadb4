import type { AddressInfo } from 'node:net';
import { gateway, gatewayProblems } from '#contracts/gateway';
import { users } from '#contracts/users';
import type { Apps } from '#edge/apps';
import {
  type Arrival,
  type CompressionOptions,
  createClient,
  createHttpServer,
  encodeCaller,
  type Greeting,
  type HttpRoute,
  headerNames,
  isProblem,
  type OperationDescription,
  ownContext,
  problemReply,
  type ReplyHeaders,
  type Responded,
  routesOf,
  type ServiceContract,
  tellFault,
  toProblem,
} from '#kit/contract';
import type { Component, Reply, Request, Transport, World } from '#kit/runtime';
import type { Telemetry } from '#kit/telemetry';
import { isCorrelationId } from '../http/headers.ts';
import { type ApiKeys, type ApiKeysOptions, createApiKeys, isApiKey, mayUse } from './api-keys/index.ts';
import { type Audit, type AuditOptions, createAudit } from './audit/index.ts';
import { answerCors, type CorsOptions } from './cors.ts';
import { noticeForwarded } from './forwarded.ts';
import {
  headersInward,
  headersOutward,
  matchesNone,
  sourceAddress,
  toldToClients,
  toldToProxies,
  waitPreference,
} from './headers.ts';
import { createInternalDoor, type InternalOptions } from './internal-door.ts';
import { createKeySet, type KeySetOptions } from './key-set.ts';
import { createDoorLimits, type LimitsOptions } from './limits.ts';
import { createDoorTelemetry, newTraceparent } from './observe.ts';
import { createOperators, type OperatorViews } from './operators.ts';
import { createPages, isPublic } from './pages.ts';
import { createCachedReplies, type RepliesOptions } from './replies.ts';
import { createRequestLog } from './request-log.ts';
import { createEndedSessions, endsSessions } from './sessions.ts';
import { createDoorShedding } from './shed.ts';
import { createTokenVerifier, type Identity, type TokenVerifierOptions } from './tokens.ts';
import { type ApiVersion, createLifecycles, versionedUrl, versionHeader } from './versions.ts';

export { gateway, gatewayProblems } from '#contracts/gateway';
export { apiKeyMigrations } from './api-keys/index.ts';
export { auditMigrations } from './audit/index.ts';
export type { CorsOptions } from './cors.ts';
export type { InternalOptions, MetricsTarget } from './internal-door.ts';
export type { LimitsOptions } from './limits.ts';
export type { Laboratory, LogFilter, OperatorViews } from './operators.ts';

export interface GatewayOptions {
  readonly world: World;
  /** Carries requests to the services. */
  readonly transport: Transport;
  /** The services behind this door. What their contracts open to more than other services is served. */
  readonly contracts: readonly ServiceContract[];
  /** What keeps the process from serving, by component (`Host.unready`). */
  readonly unready: () => Promise<Readonly<Record<string, string>>>;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes any free port. Default 0. */
  readonly port?: number;
  /** A second door for operators: /metrics, /traces, /livez and /readyz. Left out: none. */
  readonly internal?: InternalOptions;
  /** What staff see of the running system by /system, /traces and /topics. Left out: they are told that there is none. */
  readonly operators?: OperatorViews;
  /** Traces begin here, whatever the client says. Without it none is recorded. */
  readonly telemetry?: Telemetry;
  /** Storefront, till and console. Their pages lie where the API has none. Default: the API alone. */
  readonly apps?: Apps;
  /** Requests a second by user and by address. Default 1,000 each; `false` for none. */
  readonly limits?: LimitsOptions | false;
  /** Who did what is written down there, and listed by `gateway.audit`. Default: nowhere. */
  readonly audit?: Pick<AuditOptions, 'database' | 'keepDays' | 'waitingMax'>;
  /** Programs come in by keys that are kept there. Default: there are none. */
  readonly apiKeys?: Pick<ApiKeysOptions, 'database' | 'freshMs' | 'staleMsMax'>;
  /** Product reads are answered from memory, or from a store that gateways share, until events say otherwise. Default: none. */
  readonly cache?: Omit<RepliesOptions, 'world'>;
  /** Prefixes of the path that name a version of the interface. Default `v1`. Without one the latest is meant. */
  readonly versions?: readonly ApiVersion[];
  /** Pages of which other origins may call. Default: none. */
  readonly cors?: CorsOptions;
  /** Proxies of ours in front, each of which appends to X-Forwarded-For. Default 0: the header is not believed. */
  readonly trustedProxies?: number;
  /** One line a request. Default true. */
  readonly requestLog?: boolean;
  /** Told of each request after its reply, for metrics. */
  readonly onResponded?: (responded: Responded) => void;
  readonly keys?: Pick<KeySetOptions, 'refreshMs' | 'pauseMs' | 'staleMsMax'>;
  readonly tokens?: Pick<TokenVerifierOptions, 'toleranceSec' | 'rememberedMax'>;
  /** Of the OpenAPI document. Defaults `Holdfast` and `0.1.0`. */
  readonly title?: string;
  readonly version?: string;
  /** Limits of the HTTP server, see `createHttpServer`. */
  readonly headTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly connectionsMax?: number;
  /** A listening socket that was handed over: then that is where it listens. */
  readonly handle?: object;
  /** Where requests come in instead of through a socket; answers with its origin. The simulator's network is such a place. */
  readonly listen?: (door: Door) => Promise<string>;
  /** From which size replies are compressed. Default 1,024 bytes. */
  readonly compression?: CompressionOptions;
}

/** What takes requests once it is ready, wherever they come from. */
export type Door = Pick<ReturnType<typeof createHttpServer>, 'inject' | 'ready'>;

export interface Gateway {
  readonly component: Component;
  /** Origin (`http://127.0.0.1:8080`) once started. */
  readonly address: string | undefined;
  /** Origin of the internal door once started, if there is one. */
  readonly internalAddress: string | undefined;
}

/** An API's answers are data: nothing in them is to be run, framed or guessed at. */
const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'cross-origin',
  // What was made for one caller stays out of shared caches, unless its service says otherwise.
  'cache-control': 'no-store',
};

/** Longer than one try of the mesh (2,000 ms), so that there is time for another instance. */
const deadlineMsDefault = 5_000;
/** How much later than wished (`Prefer: wait`) an answer may come before it is given up. */
const answerGraceMs = 5_000;
const ownCallTimeoutMs = 2_000;

/** The only public door: checks who is calling, says so to the services, and keeps to itself what isn't theirs. */
export function createGateway(options: GatewayOptions): Gateway {
  const { world, transport, contracts, unready, host = '127.0.0.1', port = 0, trustedProxies = 0 } = options;
  const { clock, random, ids, log } = world;
  const { title = 'Holdfast', version = '0.1.0', requestLog = true } = options;
  const usersClient = createClient(users, { transport, clock });
  const context = () => ownContext(world, { service: gateway.service, timeoutMs: ownCallTimeoutMs });
  const keys = createKeySet({
    clock,
    log,
    fetchKeys: async () => (await usersClient.jwks({}, context())).body,
    ...options.keys,
  });
  const verifier = createTokenVerifier({ clock, keys, ...options.tokens });
  const audit: Audit | undefined = options.audit && createAudit({ world, ...options.audit });
  const apiKeys: ApiKeys | undefined = options.apiKeys && createApiKeys({ world, ...options.apiKeys });
  const pages = createPages({ clock, contracts, unready, title, version, audit, apiKeys });
  const { versions = [{ name: 'v1' }] } = options;
  const replies = options.cache && createCachedReplies({ world, ...options.cache });
  // Without users behind this door there is nobody to ask, and no tokens that could have ended.
  const ended = contracts.includes(users) ? createEndedSessions({ world, users: usersClient, context }) : undefined;
  const lifecycles = createLifecycles(versions, clock);
  const observed = options.telemetry && createDoorTelemetry(options.telemetry, trustedProxies > 0);
  const limits = options.limits === false ? undefined : createDoorLimits({ world, ...options.limits });
  const outward = createOutward(trustedProxies > 0 ? toldToProxies : toldToClients);
  const logRequest = requestLog ? createRequestLog(world) : undefined;
  const notice = noticeForwarded(log, trustedProxies);
  const shedding = createDoorShedding({ world, own: gateway.service, telemetry: options.telemetry });

  /** Pages where the API has nothing; at `/`, which both have, `apps` looks at what is asked for. */
  function pageOf({ method, path, headers, route }: Omit<Arrival, 'correlationId'>): Reply | undefined {
    return route === undefined || path === '/' ? options.apps?.answer({ method, path, headers }) : undefined;
  }

  function greet(arrival: Omit<Arrival, 'correlationId'>): Greeting {
    const { method, headers } = arrival;
    const given = headers['x-correlation-id'];
    const correlationId = isCorrelationId(given) ? given : ids.next('cor');
    const common = { ...securityHeaders, 'x-correlation-id': correlationId };
    const page = pageOf(arrival);
    if (page) return { correlationId, headers: common, reply: page };
    const tooMuch = shedding.refusal(arrival.route, correlationId);
    if (tooMuch) return { correlationId, headers: common, reply: outward(tooMuch) };
    if (!options.cors) return { correlationId, headers: common };
    const cors = answerCors(options.cors, method, headers);
    const preflight: Reply | undefined = cors.isPreflight ? { status: 204, headers: {} } : undefined;
    return { correlationId, headers: { ...common, ...cors.headers }, ...(preflight ? { reply: preflight } : {}) };
  }

  async function admit(request: Request, arrival: Arrival, replyHeaders: ReplyHeaders): Promise<Request> {
    const { operation } = arrival.route as HttpRoute;
    const lifecycle = lifecycles.check(operation, arrival.headers[versionHeader]?.toString());
    if (lifecycle) replyHeaders(lifecycle);
    const headers = headersInward(arrival.headers);
    const span = observed?.begin(arrival, headers[headerNames.traceparent]);
    notice(arrival);
    const forwardedFor = arrival.headers['x-forwarded-for'];
    const source = sourceAddress(arrival.remoteAddress, forwardedFor?.toString(), trustedProxies);
    const identity = operation.identity === 'ignored' ? undefined : await identify(arrival, source);
    limits?.spend(arrival.route as HttpRoute, identity, source, replyHeaders);
    if (identity?.apiKey && !mayUse(identity.apiKey, arrival.route as HttpRoute))
      throw gatewayProblems['key-not-allowed']({ detail: `${identity.apiKey.name} is not for this operation` });
    headers[headerNames.caller] = identity ? encodeCaller(identity.caller) : 'anonymous:anonymous';
    if (identity?.sessionId) headers[headerNames.session] = identity.sessionId;
    headers[headerNames.correlationId] = arrival.correlationId ?? '';
    headers[headerNames.step] = '1';
    setTimes(headers, operation);
    headers[headerNames.source] = source;
    headers[headerNames.traceparent] = span?.traceparent ?? newTraceparent(random);
    const admitted = { ...request, headers };
    if (span) observed?.admitted(admitted, span, arrival, replyHeaders);
    return admitted;
  }

  async function identify({ headers }: Arrival, source: string): Promise<Identity | undefined> {
    const { authorization } = headers;
    if (authorization === undefined) return undefined;
    const [, token] = /^Bearer +([\w.~+/-]+=*) *$/i.exec(String(authorization)) ?? [];
    if (token === undefined) throw gatewayProblems['token-refused']({ detail: 'send Authorization: Bearer <token>' });
    try {
      if (apiKeys && isApiKey(token)) return await identifyKey(apiKeys, token, source);
      const identity = await verifier.verify(token, () => limits?.beforeVerifying(source));
      if (ended?.has(identity)) throw gatewayProblems['token-refused']({ detail: 'its session has ended' });
      return identity;
    } catch (error) {
      if (isProblem(error) && error.status === 401) limits?.refusedToken(source);
      throw error;
    }
  }

  async function identifyKey(keys: ApiKeys, key: string, source: string): Promise<Identity> {
    limits?.beforeVerifying(source);
    const apiKey = await keys.verify(key);
    return { caller: { kind: apiKey.role, id: apiKey.id }, sessionId: undefined, apiKey };
  }

  /** Sends a request on, and makes whatever comes of it fit for the outside. */
  async function send(request: Request, signal: AbortSignal): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await (replies?.answer(request, (one) => transport.send(one, noSignal)) ??
        transport.send({ ...request, passesOn: true }, signal));
      if (request.service === users.service && endsSessions.has(request.operation)) await ended?.refresh();
    } catch (error) {
      const problem = toProblem(error);
      if (problem.category === 'internal') log.error('request failed', { operation: nameOf(request), error });
      reply = tellFault(problemReply(problem, request.headers[headerNames.correlationId]), problem);
    }
    return outward(reply, request);
  }

  const forward = (request: Request, signal: AbortSignal) => shedding.counted(() => send(request, signal));
  const routes: HttpRoute[] = contracts.flatMap((contract) =>
    Object.entries(contract.operations)
      .filter(([, operation]) => isPublic(operation))
      .map(([name, operation]) => ({ server: { handle: forward }, service: contract.service, name, operation })),
  );
  const { headTimeoutMs, requestTimeoutMs, connectionsMax } = options;
  const app = createHttpServer({
    routes: [
      ...routes,
      ...[pages, createOperators(options.operators, clock)].flatMap((own) =>
        routesOf({ ...own, handle: async (...call) => outward(await own.handle(...call), call[0]) }),
      ),
    ].map((route) => audit?.before(route) ?? route),
    greet,
    admit,
    rewriteUrl: (request) => versionedUrl(versions, request),
    compression: options.compression ?? {},
    leavesBodies: true,
    watch: {
      clock,
      onResponded(responded) {
        logRequest?.(responded);
        observed?.responded(responded);
        audit?.responded(responded);
        options.onResponded?.(responded);
      },
    },
    ...(headTimeoutMs === undefined ? {} : { headTimeoutMs }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(connectionsMax === undefined ? {} : { connectionsMax }),
  });
  const internal = options.internal && createInternalDoor(options.internal, pages, { purges: replies?.purges });
  const parts = [limits?.component, audit?.component, apiKeys?.component, replies?.component, ended?.component];
  let address: string | undefined;
  let internalAddress: string | undefined;

  return {
    get address() {
      return address;
    },
    get internalAddress() {
      return internalAddress;
    },
    component: {
      name: 'gateway',
      async start() {
        for (const part of parts) await part?.start?.();
        shedding.start();
        address = await (options.listen?.(app) ?? listen(app, { host, port, handle: options.handle }));
        if (internal) internalAddress = await listen(internal, { host: '127.0.0.1', port: 0, ...options.internal });
      },
      // Takes no new connections, answers what is under way and closes what is idle.
      drain: () => app.close(),
      async stop() {
        await app.close();
        await internal?.close();
        shedding.stop();
        for (const part of parts.toReversed()) await part?.stop?.();
      },
    },
  };
}

interface Listening {
  readonly host: string;
  readonly port: number;
  readonly handle?: object | undefined;
}

/** A port in use is the one mistake that everybody makes: say what to do. */
async function listen(app: ReturnType<typeof createHttpServer>, { host, port, handle }: Listening): Promise<string> {
  try {
    // Passed on to the server as it is.
    await app.listen({ host, port, ...(handle ? { handle } : {}) });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    throw new Error(`port ${port} on ${host} is in use: stop what listens there, or choose another port`, {
      cause: error,
    });
  }
  const bound = app.server.address() as AddressInfo;
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

/**
 * `Prefer: wait` is a wish where 202 is among the answers: whoever took the work in must have time left to say so, also on
 * a machine that has too much to do. Elsewhere it is the deadline.
 */
function setTimes(
  headers: Record<string, string>,
  { deadlineMs = deadlineMsDefault, responses }: OperationDescription,
): void {
  const waitSec = waitPreference(headers['prefer']);
  const waitMs = waitSec === undefined ? deadlineMs : waitSec * 1000;
  const mayEndLater = 202 in responses;
  headers[headerNames.deadlineMs] = String(Math.min(deadlineMs, mayEndLater ? waitMs + answerGraceMs : waitMs));
  if (mayEndLater && waitMs < deadlineMs) headers[headerNames.answerMs] = String(waitMs);
}

/** The way out, for every reply: what whoever asks gets to see of it; 304 when the request names that version already. */
function createOutward(told: ReadonlySet<string>): (reply: Reply, request?: Request) => Reply {
  return (reply, request) => {
    const headers = headersOutward(reply.headers, told);
    if (reply.status === 200 && matchesNone(request?.headers['if-none-match'], headers['etag'])) {
      return { status: 304, headers };
    }
    return { ...reply, headers };
  };
}

function nameOf(request: Request): string {
  return `${request.service}.${request.operation}`;
}

/** What many wait for is not called off by one who goes away; its deadline ends it. */
const noSignal = new AbortController().signal;
