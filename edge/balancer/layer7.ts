import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import { edgeProblems } from '#contracts/edge';
import { contractProblems, endWithProblem, headerNames, type Problem, refuseBytes, watchUnasked } from '#kit/contract';
import type { CallOutcome, Endpoint } from '#kit/mesh';
import type { Component, World } from '#kit/runtime';
import type { Telemetry } from '#kit/telemetry';
import { ownReply } from '../http/answer.ts';
import { bufferBody, createHeldBodies, isRepeatable } from '../http/body.ts';
import { refuse } from '../http/guard.ts';
import { type Headers, inwardHeaders, outwardHeaders } from '../http/headers.ts';
import { createHopTelemetry, noHop, statusGone, type Visit } from '../http/observe.ts';
import type { BalancerPool } from './pool.ts';
import { cookieOf, findRule, poolsFor, type RequestHead, type Rule } from './routes.ts';
import { tunnel } from './tunnel.ts';

export interface Layer7Options {
  readonly world: World;
  /** The first that fits takes the request; none: 404. */
  readonly rules: readonly Rule[];
  readonly host?: string;
  /** 0 takes any free port. Default 0. */
  readonly port?: number;
  /** A listening socket that was handed over: then that is where it listens. */
  readonly handle?: object;
  /** A member that has not begun to answer after this is given up, and another one tried where that is harmless. Default 2,000 ms. */
  readonly tryTimeoutMs?: number;
  /** And so long is the last one waited for. Default 30,000 ms. */
  readonly lastTryTimeoutMs?: number;
  /** Bodies up to this are held until a member has answered, so that another can be asked. Default 64 KiB. */
  readonly bufferBytesMax?: number;
  /** Of all requests together; what comes on top streams, and is tried once. Default 64 MiB. */
  readonly buffersBytesMax?: number;
  /** Connections to one member. Default 64. */
  readonly memberConnectionsMax?: number;
  /** Default 10,000. */
  readonly connectionsMax?: number;
  /** Counts what it serves and whom it calls, and records its part of traces. Default: nothing. */
  readonly telemetry?: Telemetry;
  /** Clients reach it through an edge of ours alone: what that says of its span is believed, and it is told in turn. Default false. */
  readonly isBehindEdge?: boolean;
}

export interface Layer7 {
  readonly component: Component;
  /** From now on each answer asks its client to connect anew: another process answers at the same place. */
  leave(): void;
  /** Requests that are being answered. */
  readonly active: number;
  /** Origin once started. */
  readonly address: string | undefined;
}

const triesMax = 3;
const headSizeBytesMax = 16 * 1024;
const connectTimeoutMs = 1_000;

/** Balances requests: rules choose a pool, the pool chooses a member, bodies pass through. */
export function createLayer7(options: Layer7Options): Layer7 {
  const { world, rules, host = '127.0.0.1', port = 0 } = options;
  const { tryTimeoutMs = 2_000, lastTryTimeoutMs = 30_000, memberConnectionsMax = 64 } = options;
  const { isBehindEdge = false, bufferBytesMax = 64 * 1024, buffersBytesMax = 64 * 1024 * 1024 } = options;
  const clients = new Map<string, Pool>();
  const held = createHeldBodies({ eachMax: bufferBytesMax, allMax: buffersBytesMax });
  let isLeaving = false;
  let active = 0;
  const { clock } = world;
  const hop = options.telemetry ? observeLayer7(options.telemetry) : noHop;

  function observeLayer7(telemetry: Telemetry) {
    telemetry.gauge(
      { name: 'holdfast_balancer_buffered_bytes', help: 'Bodies that are held until a member has answered.' },
      () => held.sizeBytes,
    );
    return createHopTelemetry({ clock, telemetry, service: 'balancer', callee: 'gateway', active: () => active });
  }

  function clientOf({ instance }: Endpoint): Pool {
    const origin = `http://${instance.host.includes(':') ? `[${instance.host}]` : instance.host}:${instance.port}`;
    let client = clients.get(origin);
    if (!client) {
      client = new Pool(origin, { connections: memberConnectionsMax, connect: { timeout: connectTimeoutMs } });
      clients.set(origin, client);
    }
    return client;
  }

  async function handle(request: IncomingMessage, response: ServerResponse, visit: Visit): Promise<void> {
    const head = headOf(request);
    const refusal = refuse(guardedOf(request));
    if (refusal) return refuseRequest(request, response, refusal);
    const rule = findRule(rules, head);
    if (!rule) return answer(request, response, contractProblems['not-found']());
    const key = stickyKey(rule, head, response);
    const pools = poolsFor(rule, key, world.random);
    const size = Number(request.headers['content-length'] ?? 0);
    const hasBody = size > 0 || request.headers['transfer-encoding'] !== undefined;
    if (!hasBody || !held.take(size))
      return send(request, response, head, { visit, pools, key, body: hasBody ? request : null, mayRepeat: !hasBody });
    try {
      const body = await bufferBody(request, size);
      await send(request, response, head, { visit, pools, key, body, mayRepeat: true });
    } finally {
      held.giveBack(size);
    }
  }

  /** A client that is to stay has a cookie, or gets one. */
  function stickyKey({ sticky }: Rule, { headers }: RequestHead, response: ServerResponse): string | undefined {
    if (!sticky) return undefined;
    const known = cookieOf(headers['cookie']?.toString(), sticky.cookie);
    if (known) return known;
    const made = Buffer.from(world.random.bytes(12)).toString('base64url');
    response.setHeader('set-cookie', `${sticky.cookie}=${made}; Path=/; HttpOnly; SameSite=Lax`);
    return made;
  }

  interface Work {
    readonly visit: Visit;
    /** Where to ask, in this order. */
    readonly pools: readonly BalancerPool[];
    readonly key: string | undefined;
    readonly body: IncomingMessage | Buffer | null;
    /** The body is still here after a try. */
    readonly mayRepeat: boolean;
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    head: RequestHead,
    work: Work,
  ): Promise<void> {
    const { visit, pools, key, body, mayRepeat } = work;
    const headers = inwardHeaders(request, false, visit.spanId);
    const tried = new Set<string>();
    let isGone = false;
    let attempt = new AbortController();
    response.once('close', () => {
      isGone = !response.writableFinished;
      if (isGone) attempt.abort();
    });
    for (let tries = 1; ; tries++) {
      const next = nextOf(pools, key, tried);
      if (!next) return answer(request, response, nobodyThere());
      const { pool, endpoint } = next;
      const isLast =
        tries >= triesMax ||
        !mayRepeat ||
        !isRepeatable(head.method, head.headers) ||
        membersIn(pools) <= tried.size + 1;
      tried.add(endpoint.instance.process);
      const end = pool.begin(endpoint);
      attempt = new AbortController();
      let isLate = false;
      const startMs = clock.monotonicMs();
      // Not undici's own time-out, which looks once a second.
      const cancel = world.timers.after(isLast ? lastTryTimeoutMs : tryTimeoutMs, () => {
        isLate = true;
        attempt.abort();
      });
      try {
        const reply = await clientOf(endpoint).request({
          path: request.url ?? '/',
          method: head.method as Dispatcher.HttpMethod,
          headers,
          body,
          signal: attempt.signal,
          headersTimeout: 0,
          // A stream may be quiet for as long as it likes.
          bodyTimeout: 0,
        });
        cancel();
        hop.called(reply.statusCode, clock.monotonicMs() - startMs);
        // An instance that is not ready or leaves; another may be. One that has too much to do, or lacks what it needs, has not.
        if (reply.statusCode === 503 && !isLast && !isExcused(reply)) {
          await reply.body.dump();
          end('failed');
          visit.failed(endpoint.instance.process, startMs, new Error('status 503'));
          continue;
        }
        visit.heard(reply.headers);
        relay(head, reply, response, { end, isBehindEdge });
        return;
      } catch (error) {
        cancel();
        // A client that goes away says nothing of the member.
        if (isGone) return end('well');
        hop.called(undefined, clock.monotonicMs() - startMs);
        end('failed');
        visit.failed(endpoint.instance.process, startMs, isLate ? new Error('no answer in time') : error);
        const another = tries < triesMax && (isNotSent(error) ? mayRepeat || body === null : !isLast);
        if (another && membersIn(pools) > tried.size) continue;
        world.log.warn('no instance answers', { path: head.path, tries, error });
        return answer(request, response, isLate ? contractProblems.timeout() : edgeProblems.unreachable());
      }
    }
  }

  function answer(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
    const { status, headers, body } = ownReply(problem, request, world.ids);
    response.writeHead(status, headers).end(body);
  }

  /** What follows a refused head can't be trusted to be where it seems to be. */
  function refuseRequest(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
    response.setHeader('connection', 'close');
    refused.add(request.socket);
    answer(request, response, problem);
  }

  const server = createServer(
    {
      maxHeaderSize: headSizeBytesMax,
      headersTimeout: 10_000,
      requestTimeout: 0,
      keepAliveTimeout: 72_000,
      noDelay: true,
      // Refused by the guard, which says why.
      requireHostHeader: false,
    },
    (request, response) => {
      response.on('error', () => {});
      if (isLeaving) response.setHeader('connection', 'close');
      active++;
      const visit = hop.begin(isBehindEdge ? request.headers[headerNames.hop] : undefined);
      response.once('close', () => {
        active--;
        visit.served(response.headersSent ? response.statusCode : statusGone);
      });
      handle(request, response, visit).catch((error) => {
        world.log.debug('a request was broken off', { error });
        response.destroy();
      });
    },
  );
  server.maxConnections = options.connectionsMax ?? 10_000;
  const unasked = watchUnasked(server, world.timers);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (refused.has(socket)) socket.destroy();
    else refuseBytes(error, socket);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    refuseRequest(request, response, contractProblems['expectation-failed']());
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, begun: Buffer) => {
    socket.on('error', () => socket.destroy());
    const head = headOf(request);
    const rule = findRule(rules, head);
    const key = rule?.sticky && cookieOf(head.headers['cookie']?.toString(), rule.sticky.cookie);
    const [pool] = rule ? poolsFor(rule, key, world.random) : [];
    const refusal = refuse(guardedOf(request)) ?? (pool ? undefined : contractProblems['not-found']());
    if (refusal || !pool) return endWithProblem(socket, refusal ?? nobodyThere());
    unasked.asked(socket);
    tunnel({ request, socket, begun, pool, key, headers: inwardHeaders(request, false, undefined) });
  });
  const tunnels = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    tunnels.add(socket);
    socket.once('close', () => tunnels.delete(socket));
  });
  let address: string | undefined;

  return {
    get address() {
      return address;
    },
    get active() {
      return active;
    },
    leave() {
      isLeaving = true;
    },
    component: {
      name: 'layer 7 balancer',
      async start() {
        await new Promise<void>((resolve, reject) => {
          const { handle: handed } = options;
          server.once('error', reject).listen({ host, port, ...(handed ? { handle: handed } : {}) }, () => resolve());
        });
        address = `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
      },
      async drain() {
        await new Promise<void>((resolve) => {
          server.close(() => resolve());
          unasked.end();
        });
      },
      async stop() {
        server.close();
        for (const socket of tunnels) socket.destroy();
        await Promise.all([...clients.values()].map((client) => client.destroy()));
      },
    },
  };
}

function guardedOf({ method = '', url = '', rawHeaders, httpVersion }: IncomingMessage) {
  return { method, target: url, rawHeaders, httpVersion };
}

function headOf(request: IncomingMessage): RequestHead {
  const [path = '/'] = (request.url ?? '/').split('?', 1);
  return { method: request.method ?? 'GET', host: request.headers.host ?? '', path, headers: request.headers };
}

function relay(
  { method }: RequestHead,
  reply: Dispatcher.ResponseData,
  response: ServerResponse,
  { end, isBehindEdge }: { readonly end: ReturnType<BalancerPool['begin']>; readonly isBehindEdge: boolean },
): void {
  const headers = outwardHeaders(reply.headers as Headers, isBehindEdge);
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    // Its own cookies, and the one that keeps it here.
    const mine = name === 'set-cookie' ? response.getHeader('set-cookie') : undefined;
    response.setHeader(name, mine === undefined ? value : [mine, value].flat().map(String));
  }
  response.writeHead(reply.statusCode);
  reply.body.once('error', () => {
    end('failed');
    response.destroy();
  });
  response.once('close', () => {
    end(outcomeOf(reply));
    reply.body.destroy();
  });
  if (method === 'HEAD') {
    reply.body.resume();
    response.end();
  } else reply.body.pipe(response);
}

/** A gateway of ours says so when it is well itself: see `Fault` of kit/contract. */
const isExcused = ({ headers }: Dispatcher.ResponseData): boolean => headers[headerNames.fault] !== undefined;

function outcomeOf(reply: Dispatcher.ResponseData): CallOutcome {
  if (reply.statusCode < 500 || reply.statusCode === 501) return 'well';
  return isExcused(reply) ? 'excused' : 'failed';
}

const notSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);
const isNotSent = (error: unknown): boolean => notSent.has((error as { code?: string }).code ?? '');

/** Somebody who was not asked yet, in the first pool that has one. */
function nextOf(
  pools: readonly BalancerPool[],
  key: string | undefined,
  tried: ReadonlySet<string>,
): { readonly pool: BalancerPool; readonly endpoint: Endpoint } | undefined {
  for (const pool of pools) {
    const endpoint = pool.choose({ key, tried });
    if (endpoint && !tried.has(endpoint.instance.process)) return { pool, endpoint };
  }
  return undefined;
}

const membersIn = (pools: readonly BalancerPool[]): number =>
  pools.reduce((sum, { endpoints }) => sum + endpoints.length, 0);

const nobodyThere = () => contractProblems.unavailable({ detail: 'no instance is there' });

/** Whose answer is on its way: the parser's complaint about what follows is not worth another. */
const refused = new WeakSet<object>();
