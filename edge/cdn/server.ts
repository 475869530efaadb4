import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { Socket } from 'node:net';
import { edgeProblems } from '#contracts/edge';
import { contractProblems, type Problem, refuseBytes, watchUnasked } from '#kit/contract';
import type { World } from '#kit/runtime';
import { ownReply } from '../http/answer.ts';
import { refuse } from '../http/guard.ts';
import { type HopTelemetry, statusGone, type Visit } from '../http/observe.ts';
import type { Connections } from './connections.ts';

export type FrontRequest = IncomingMessage | Http2ServerRequest;
export type FrontResponse = ServerResponse | Http2ServerResponse;

export interface TlsKeys {
  /** PEM, the leaf first. */
  readonly cert: string;
  readonly key: string;
}

export interface FrontOptions {
  readonly world: World;
  readonly tls?: TlsKeys;
  readonly connections: Connections;
  /** Whether an address has had its share; counts the request. */
  readonly limited: (address: string) => boolean;
  readonly onRefused: () => void;
  readonly hop: HopTelemetry;
  readonly handle: (request: FrontRequest, response: FrontResponse, visit: Visit) => void;
  readonly timeouts?: {
    /** The whole head. Default 10,000 ms. */
    readonly headMs?: number;
    /** The whole request with its body. Default 60,000 ms. */
    readonly requestMs?: number;
    /** A connection on which nothing happens, a reply of which its client takes nothing, and a TLS handshake. Default 30,000 ms. */
    readonly idleMs?: number;
  };
}

const headSizeBytesMax = 16 * 1024;
const headersMax = 100;
const streamsMax = 100;
const requestsPerConnectionMax = 10_000;

/** Forward-secret AEAD suites alone below TLS 1.3 (RFC 9325 §4.2), our order. */
const ciphers = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
].join(':');

export interface Front {
  readonly server: Server | Http2SecureServer;
  /** Requests that are being answered. */
  active(): number;
  renew(tls: TlsKeys): void;
  leave(): void;
  /** Takes no new connections, and resolves when those that are open have ended. */
  close(): Promise<void>;
  /** Ends them. */
  cut(): void;
}

/** Takes connections, refuses what is not worth more work, and hands on the rest. */
export function createFront(options: FrontOptions): Front {
  const { tls, connections, timeouts = {}, world } = options;
  const { headMs = 10_000, requestMs = 60_000, idleMs = 30_000 } = timeouts;
  const limits = {
    maxHeaderSize: headSizeBytesMax,
    headersTimeout: headMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.max(Math.min(headMs, 2_000) / 4, 50),
    // Refused by the guard, which says why.
    requireHostHeader: false,
  };
  const server = tls
    ? createSecureServer({
        ...limits,
        ...tls,
        allowHTTP1: true,
        minVersion: 'TLSv1.2',
        honorCipherOrder: true,
        ciphers,
        handshakeTimeout: idleMs,
        settings: { maxConcurrentStreams: streamsMax, maxHeaderListSize: headSizeBytesMax, enablePush: false },
        maxHeaderListPairs: headersMax,
        maxSessionInvalidFrames: 100,
        maxSessionRejectedStreams: 100,
      })
    : createServer(limits);
  if ('maxHeadersCount' in server) {
    server.maxHeadersCount = headersMax;
    server.maxRequestsPerSocket = requestsPerConnectionMax;
  }

  let isLeaving = false;
  let active = 0;
  const sockets = new Set<Socket>();
  const unasked = watchUnasked(server, world.timers);
  const sessions = new Set<Closable>();
  server.on('connection', (socket: Socket) => {
    if (!connections.admit(socket)) socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  server.on('session', (session: Closable) => {
    session.setTimeout(idleMs, () => session.close());
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    if (isLeaving) session.close();
    else sessions.add(session);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    options.onRefused();
    if (refused.has(socket)) socket.destroy();
    else refuseBytes(error, socket);
  });
  server.on('checkExpectation', (request: FrontRequest, response: FrontResponse) => {
    refuseRequest(request, response, contractProblems['expectation-failed']());
  });
  function refuseRequest(request: FrontRequest, response: FrontResponse, problem: Problem): void {
    options.onRefused();
    // What follows a refused head can't be trusted to be where it seems to be.
    if (request.httpVersionMajor === 1) {
      response.setHeader('connection', 'close');
      refused.add(request.socket);
    }
    answerProblem(request, response, problem, world);
  }
  server.on('request', (request: FrontRequest, response: FrontResponse) => {
    response.on('error', () => {});
    active++;
    const visit = options.hop.begin();
    response.once('close', () => {
      active--;
      visit.served(response.headersSent ? response.statusCode : statusGone);
    });
    if (isLeaving && request.httpVersionMajor === 1) response.setHeader('connection', 'close');
    const refusal = refuse({
      method: request.method ?? '',
      target: request.url ?? '',
      rawHeaders: request.rawHeaders.filter((_, i, all) => !(all[i - (i % 2)] as string).startsWith(':')),
      httpVersion: request.httpVersion,
    });
    if (refusal) return refuseRequest(request, response, refusal);
    if (options.limited(request.socket.remoteAddress ?? '')) {
      return refuseRequest(request, response, edgeProblems['rate-limited']());
    }
    // HTTP/1.1 has its own; a stream of HTTP/2 is watched here.
    if (request.httpVersionMajor === 2) {
      const cancel = world.timers.after(requestMs, () => request.destroy());
      request.once('end', cancel).once('close', cancel);
    }
    options.handle(request, response, visit);
  });
  // CONNECT, Upgrade and Expect ask for what is not spoken here.
  server.on('connect', (_request: unknown, socket: Socket) => {
    options.onRefused();
    socket.destroy();
  });
  return {
    server,
    active: () => active,
    renew(keys) {
      if ('setSecureContext' in server) server.setSecureContext(keys);
    },
    leave() {
      isLeaving = true;
      // GOAWAY: what is under way is answered, what comes next goes over another connection.
      for (const session of sessions) session.close();
    },
    async close() {
      if (!server.listening) return;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.close();
        unasked.end();
        if ('closeIdleConnections' in server) server.closeIdleConnections();
      });
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A session of HTTP/2. */
interface Closable {
  setTimeout(ms: number, then: () => void): void;
  close(): void;
  on(event: 'error' | 'close', listener: () => void): void;
}

/** Whose answer is on its way: the parser's complaint about what follows is not worth another. */
const refused = new WeakSet<object>();

/** A reply of the edge's own. */
export function answerProblem(request: FrontRequest, response: FrontResponse, problem: Problem, { ids }: World): void {
  const { status, headers, body } = ownReply(problem, request, ids);
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(body);
}
