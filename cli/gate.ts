import { contractProblems, type ServiceServer } from '#kit/contract';
import type { Database, Transaction, Transport } from '#kit/runtime';

/**
 * What a service reaches and is reached through, so that it can be killed or paused although it has no process of its own.
 *
 *     open ── pause ──► paused ── resume ──► open
 *       └────── close ──────┴──► closed
 *
 * Closed at an instant, nothing that is under way has any effect any more: no reply, no statement, no commit, no call.
 * That is all that others can see of a process that is killed. Paused, everything waits where it is.
 */
export interface Gate {
  readonly isOpen: boolean;
  /** Resolves while open; waits while paused; throws once closed. */
  pass(): Promise<void>;
  pause(): void;
  resume(): void;
  close(): void;
}

export function createGate(service: string): Gate {
  let state: 'open' | 'paused' | 'closed' = 'open';
  let opening = Promise.withResolvers<void>();
  return {
    get isOpen() {
      return state === 'open';
    },
    async pass() {
      while (state === 'paused') await opening.promise;
      if (state === 'closed') throw contractProblems.unavailable({ detail: `${service} was killed on purpose` });
    },
    pause() {
      if (state !== 'open') return;
      state = 'paused';
      opening = Promise.withResolvers();
    },
    resume() {
      if (state === 'paused') state = 'open';
      opening.resolve();
    },
    close() {
      state = 'closed';
      opening.resolve();
    },
  };
}

/** Begins at once where the gate is open: statements of one turn still share their round trip. */
async function through<T>(gate: Gate, work: () => Promise<T>): Promise<T> {
  if (!gate.isOpen) await gate.pass();
  const result = await work();
  if (!gate.isOpen) await gate.pass();
  return result;
}

export function gateServer(server: ServiceServer, gate: Gate): ServiceServer {
  return {
    contract: server.contract,
    async handle(request, signal) {
      const reply = await through(gate, () => server.handle(request, signal));
      return isStream(reply.body) ? { ...reply, body: gateStream(reply.body, gate) } : reply;
    },
  };
}

const isStream = (body: unknown): body is AsyncIterable<unknown> =>
  typeof body === 'object' && body !== null && Symbol.asyncIterator in body;

async function* gateStream(values: AsyncIterable<unknown>, gate: Gate): AsyncGenerator<unknown> {
  for await (const value of values) {
    if (!gate.isOpen) await gate.pass();
    yield value;
  }
}

export function gateTransport(transport: Transport, gate: Gate): Transport {
  return { send: (request, signal) => through(gate, () => transport.send(request, signal)) };
}

export function gateDatabase(database: Database, gate: Gate): Database {
  return {
    name: database.name,
    query: (text, values, signal) => through(gate, () => database.query(text, values, signal)),
    transaction: (work, options) =>
      database.transaction(async (tx) => {
        const gated: Transaction = {
          database: tx.database,
          query: (text, values) => through(gate, () => tx.query(text, values)),
          // COMMIT may leave with the last statement: what was let through by then counts, as it does when a process dies.
          seal: () => tx.seal(),
        };
        return through(gate, () => work(gated));
      }, options),
    listen: (channel, onMessage) =>
      database.listen(channel, (payload) => {
        if (gate.isOpen) onMessage(payload);
      }),
    // Of whoever opened it: it outlives what is killed.
    close: async () => {},
  };
}

/**
 * Any other port. `asynchronous` names its methods that give a promise; the others go through as they are, but what is
 * closed by a service that was killed stays open for its next life.
 */
export function gatePort<Port extends object>(
  port: Port,
  gate: Gate,
  asynchronous: readonly (keyof Port & string)[],
): Port {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name === 'close') return async () => (gate.isOpen ? value.call(target) : undefined);
      const method = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      if (!asynchronous.includes(name as keyof Port & string)) return method;
      return (...args: unknown[]) => through(gate, () => method(...args));
    },
  });
}
