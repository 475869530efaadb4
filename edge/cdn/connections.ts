import type { Socket } from 'node:net';

/** How many connections there are, over all and by address. */
export interface Connections {
  /** False when there is no room: the connection is to be closed without a word. */
  admit(socket: Socket): boolean;
  readonly count: number;
}

export interface ConnectionsOptions {
  /** Over all. Default 10,000. */
  readonly max?: number;
  /** Of one address. Default 200: a browser opens six, an office shares an address. */
  readonly maxPerAddress?: number;
}

export function createConnections({ max = 10_000, maxPerAddress = 200 }: ConnectionsOptions = {}): Connections {
  const byAddress = new Map<string, number>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    admit(socket) {
      const address = socket.remoteAddress ?? '';
      const known = byAddress.get(address) ?? 0;
      if (count >= max || known >= maxPerAddress) return false;
      count++;
      byAddress.set(address, known + 1);
      socket.once('close', () => {
        count--;
        const left = (byAddress.get(address) ?? 1) - 1;
        if (left > 0) byAddress.set(address, left);
        else byAddress.delete(address);
      });
      return true;
    },
  };
}
