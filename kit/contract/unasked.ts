import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { systemTimers, type Timers } from '#kit/runtime';

/** A connection that has just been opened is about to bring what it was opened for. */
const graceMs = 500;

/** See `watchUnasked`. */
export interface Unasked {
  /** It is in use, though not by a request: an upgrade. */
  asked(socket: Socket): void;
  /** Ends those left, in a moment: for a server that has stopped listening. */
  end(): void;
}

/**
 * Watches an HTTP server, plain or over TLS, for connections on which nothing has been asked. Node takes them for busy ones: a
 * connection that a browser keeps in reserve would hold up the end of the server for as long as it lasts.
 */
export function watchUnasked(server: EventEmitter, timers: Pick<Timers, 'after'> = systemTimers): Unasked {
  /** By the address of the other end: over TLS, it is another socket that asks. */
  const sockets = new Map<string, Socket>();
  const forget = (socket: Socket) => {
    if (sockets.size > 0) sockets.delete(nameOf(socket));
  };
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    sockets.set(name, socket);
    socket.once('close', () => {
      if (sockets.get(name) === socket) sockets.delete(name);
    });
  });
  server.on('request', ({ socket }: { readonly socket: Socket }) => forget(socket));
  return {
    asked: forget,
    end() {
      timers.after(graceMs, () => {
        for (const socket of sockets.values()) socket.destroy();
      });
    },
  };
}

const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
