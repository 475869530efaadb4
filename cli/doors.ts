import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { exitCodes, Failure } from './failure.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A socket that is bound, for `listen({ handle })` in whichever process has been handed it. */
export type Door = object;

/**
 * Sockets that outlive the processes that listen on them. The command binds each once and hands it to every child that is
 * to answer there; all of them take connections from the one queue of the kernel. So a child is replaced by another
 * without a refused connection, and while there is none, because it crashed, whoever knocks waits in that queue.
 * SO_REUSEPORT would give each process a queue of its own, and lose what is in it with the process.
 */
export interface Doors {
  open(at: Address): Promise<Door>;
  close(): void;
}

/** As `node:cluster` does it. Not in the types: it is bound and does not listen yet, which `net.Server` can't do. */
const { _createServerHandle: bind } = net as unknown as {
  _createServerHandle(address: string, port: number, addressType: 4 | 6): (Door & { close(): void }) | number;
};

export function createDoors(): Doors {
  // Those that ask for the same one at once get the same one: a second would be bound, and could not listen.
  const open = new Map<string, Promise<Door & { close(): void }>>();
  return {
    async open({ host, port }) {
      const key = `${host} ${port}`;
      const door = open.get(key) ?? bound(host, port);
      open.set(key, door);
      try {
        return await door;
      } catch (error) {
        open.delete(key);
        throw error;
      }
    },
    close() {
      for (const door of open.values()) void door.then((one) => one.close()).catch(() => {});
      open.clear();
    },
  };
}

async function bound(host: string, port: number): Promise<Door & { close(): void }> {
  const { address, family } = await lookup(host);
  const door = bind(address, port, family === 6 ? 6 : 4);
  if (typeof door !== 'number') return door;
  throw new Failure(exitCodes.unavailable, `Port ${port} on ${host} can't be had: choose another one.`);
}
