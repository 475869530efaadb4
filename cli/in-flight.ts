import type { ServiceServer } from '#kit/contract';
import type { Transport } from '#kit/runtime';

/** Counts what a process is working on for others, for `holdfast status`. */
export interface InFlight {
  readonly count: number;
  /** Calls that arrive at a service. */
  server(server: ServiceServer): ServiceServer;
  /** Requests that the public door sends on. */
  transport(transport: Transport): Transport;
  /** Something that counts by itself. */
  watch(active: () => number): void;
}

export function createInFlight(): InFlight {
  let count = 0;
  const watched: (() => number)[] = [];
  async function counted<T>(work: () => Promise<T>): Promise<T> {
    count += 1;
    try {
      return await work();
    } finally {
      count -= 1;
    }
  }
  return {
    get count() {
      return watched.reduce((sum, active) => sum + active(), count);
    },
    watch: (active) => void watched.push(active),
    server: (server) => ({ ...server, handle: (request, signal) => counted(() => server.handle(request, signal)) }),
    transport: (transport) => ({ send: (request, signal) => counted(() => transport.send(request, signal)) }),
  };
}
