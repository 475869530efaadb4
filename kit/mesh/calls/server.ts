import type { Server as HttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { createHttpServer, problemReply, routesOf, type ServiceServer, toProblem } from '#kit/contract';
import type { Clock, Component, Logger, Reply } from '#kit/runtime';
import type { Directory } from '../discovery/directory.ts';
import type { Credentials, Identity } from '../identity/identity.ts';
import { checkNotRevoked, type Peer, peerOf } from '../identity/peer.ts';
import { meshProblems } from '../problems.ts';
import { checkCallers } from './admission.ts';

export interface MeshServerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly identity: Identity;
  readonly directory: Pick<Directory, 'revoked'>;
  /** What this process serves; asked when it starts. */
  readonly servers: () => readonly ServiceServer[];
  /** The service that is the public door. */
  readonly door: string;
  readonly host: string;
  readonly port: number;
  /** What else peers may read here, by path with `:name` parts: only who runs the public door is told. */
  readonly pages?: Readonly<Record<string, (params: Readonly<Record<string, string>>) => Promise<unknown>>>;
}

/** No session tickets: every connection shows its certificate anew, so that none outlives its time by resumption. */
const noTickets = 0x4000;

/**
 * Answers the other processes of the system, over mutual TLS 1.3 and nothing else. Whoever is nobody of ours gets a
 * problem that says why before a byte of its request is read as HTTP.
 */
export function createMeshServer(options: MeshServerOptions): Component {
  const { clock, log, identity, directory, servers, door, host, port, pages = {} } = options;
  const peers = new WeakMap<object, { readonly peer: Peer; readonly untilMs: number }>();
  let close = async () => {};

  /** Who is at the other end of a connection that was accepted; throws when it is nobody any more. */
  function peerAt(connection: object): Peer {
    const known = peers.get(connection);
    if (!known) throw meshProblems['no-identity']();
    checkNotRevoked(known.peer, directory.revoked);
    if (clock.monotonicMs() > known.untilMs) throw meshProblems['identity-expired']({ detail: 'connect anew' });
    return known.peer;
  }

  function accept(socket: TLSSocket): boolean {
    try {
      const peer = peerOf(socket);
      checkNotRevoked(peer, directory.revoked);
      peers.set(socket, { peer, untilMs: clock.monotonicMs() + peer.servedMs });
      return true;
    } catch (error) {
      const problem = toProblem(error);
      log.warn('a connection was refused', {
        problem: problem.code,
        detail: problem.detail,
        from: socket.remoteAddress,
      });
      refuse(socket, problemReply(problem));
      return false;
    }
  }

  return {
    name: 'mesh server',
    async start() {
      const app = createHttpServer({
        routes: servers().flatMap(routesOf),
        tls: { ...secured(identity.current), requestCert: true, rejectUnauthorized: false, secureOptions: noTickets },
        admit(request, { connection, route }) {
          const { name } = peerAt(connection);
          if (route) checkCallers({ ...name, operation: route.operation, request, door });
          return request;
        },
      });
      guard(app.server as unknown as HttpsServer, accept);
      const forget = identity.onRenewed((next) =>
        (app.server as unknown as HttpsServer).setSecureContext(secured(next)),
      );
      app.get('/health', async (request) => {
        peerAt(request.raw.socket);
        return { status: 'alive' };
      });
      for (const [path, read] of Object.entries(pages)) {
        app.get(path, async (request) => {
          const { name } = peerAt(request.raw.socket);
          if (!name.services.includes(door))
            throw meshProblems['caller-not-allowed']({ detail: `${name.process}: ${path}` });
          return read(request.params as Record<string, string>);
        });
      }
      close = async () => {
        forget();
        await app.close();
      };
      await app.listen({ host, port });
    },
    drain: () => close(),
  };
}

function secured({ key, certificate, trust }: Credentials) {
  return { key, cert: certificate, ca: trust, minVersion: 'TLSv1.3' } as const;
}

/** Lets only accepted connections through to the HTTP server. */
function guard(server: HttpsServer, accept: (socket: TLSSocket) => boolean): void {
  const serve = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[];
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket) => {
    if (accept(socket)) for (const listener of serve) listener.call(server, socket);
  });
}

/** Answers whatever is asked, unread, and hangs up. */
function refuse(socket: TLSSocket, { status, body }: Reply): void {
  const text = JSON.stringify(body);
  socket.on('error', () => {});
  // After its first bytes, so that the caller takes this for the answer to them.
  socket.once('data', () => {
    socket.end(
      `HTTP/1.1 ${status} Refused\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    );
  });
  socket.setTimeout(refusedStayMs, () => socket.destroy());
}

const refusedStayMs = 2_000;
