import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Random, World } from '#kit/runtime';
import type { ActiveFault } from './tcp.ts';

/**
 * What can be wrong with messages. Each strikes a request with the probability given.
 *
 * duplicate   the request arrives twice, the second as the first is answered; the caller hears the first answer
 * reorder     the request waits until `overtakenBy` later ones have passed, at most `msMax`
 * drop-reply  the request is carried out, then the connection breaks: the caller never hears of it
 * drop-request  the connection breaks before the request arrives
 */
export type HttpFault =
  | { readonly kind: 'duplicate'; readonly probability: number }
  | { readonly kind: 'reorder'; readonly probability: number; readonly overtakenBy: number; readonly msMax: number }
  | { readonly kind: 'drop-reply'; readonly probability: number }
  | { readonly kind: 'drop-request'; readonly probability: number };

export interface HttpProxy {
  readonly port: number;
  inject(fault: HttpFault): ActiveFault;
  close(): Promise<void>;
}

export interface HttpProxyOptions {
  readonly port: number;
  readonly target: { readonly host: string; readonly port: number };
  readonly world: Pick<World, 'timers'>;
  /** Which requests are struck. */
  readonly random: Random;
  /** Where both ends show certificates: the caller's is shown to the callee, and the other way round. */
  readonly secured?: { readonly caller: TlsCredentials; readonly callee: TlsCredentials } | undefined;
}

export interface TlsCredentials {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

interface Entry {
  readonly fault: HttpFault;
  strikes: number;
}

interface Answer {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
}

/** Larger messages break the connection: the lab sends none. */
const bodyBytesMax = 8 * 1024 * 1024;
const connectionHeaders = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

/** A proxy that knows HTTP/1.1 messages. TCP faults belong in front of it. */
export async function createHttpProxy(options: HttpProxyOptions): Promise<HttpProxy> {
  const { target, world, random, secured } = options;
  // Whom it wants to reach it knows by the port.
  const agent = secured
    ? new https.Agent({ keepAlive: true, ...secured.caller, checkServerIdentity: () => undefined })
    : new http.Agent({ keepAlive: true });
  const { request } = secured ? https : http;
  const active = new Set<Entry>();
  let arrived = 0;
  const arrivals = new Set<() => void>();

  /** The faults that strike this request. */
  const draw = () =>
    [...active].filter((entry) => {
      if (random.next() >= entry.fault.probability) return false;
      entry.strikes += 1;
      return true;
    });

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await readBody(incoming);
    const drawn = draw();
    const struck = (kind: HttpFault['kind']) => drawn.find(({ fault }) => fault.kind === kind)?.fault;
    arrived += 1;
    for (const tell of arrivals) tell();
    if (struck('drop-request')) return void breakOff(incoming);
    const late = struck('reorder');
    if (late?.kind === 'reorder') await beOvertaken(arrived + late.overtakenBy, late.msMax);
    const answer = await forward(incoming, body);
    if (struck('duplicate')) await forward(incoming, body).catch(() => {});
    if (struck('drop-reply')) return void breakOff(incoming);
    // With no fault left the caller connects anew, past this proxy: see `Ways`.
    outgoing.writeHead(answer.status, active.size > 0 ? answer.headers : [...answer.headers, 'connection', 'close']);
    outgoing.end(answer.body);
  }

  function beOvertaken(until: number, msMax: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        arrivals.delete(look);
        resolve();
      };
      const look = () => {
        if (arrived >= until) done();
      };
      const cancel = world.timers.after(msMax, done);
      arrivals.add(look);
    });
  }

  function forward(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = plainHeaders(incoming.rawHeaders);
      const { method, url } = incoming;
      // Told even when there is none: left to itself, Node would announce a body in pieces for a POST without one.
      if (body.length > 0 || (method !== 'GET' && method !== 'HEAD')) {
        headers.push('content-length', String(body.length));
      }
      const outgoing = request({ ...target, agent, method, path: url, headers });
      outgoing.once('error', reject);
      outgoing.once('response', (reply) => {
        readBody(reply).then(
          (bytes) => resolve({ status: reply.statusCode ?? 502, headers: plainHeaders(reply.rawHeaders), body: bytes }),
          reject,
        );
      });
      outgoing.end(body);
    });
  }

  const serve = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    // The other end is gone, or broke off: the caller must see the same, not an answer of ours.
    handle(incoming, outgoing).catch(() => breakOff(incoming));
  };
  const server = secured
    ? https.createServer({ ...secured.callee, requestCert: true, rejectUnauthorized: true }, serve)
    : http.createServer(serve);
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });

  return {
    port: (server.address() as { port: number }).port,
    inject(fault) {
      const entry: Entry = { fault, strikes: 0 };
      active.add(entry);
      return { strikes: () => entry.strikes, heal: () => void active.delete(entry) };
    },
    async close() {
      const ended = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await ended;
    },
  };
}

/** As a reset where that can be had: a connection with TLS can only be closed, in the middle of a message too. */
function breakOff({ socket }: IncomingMessage): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/** Without what belongs to one connection; the length is told anew. */
function plainHeaders(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!connectionHeaders.has(name.toLowerCase())) kept.push(name, raw[i + 1] as string);
  }
  return kept;
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of message) {
    sizeBytes += piece.length;
    if (sizeBytes > bodyBytesMax) throw new Error(`a message has more than ${bodyBytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
