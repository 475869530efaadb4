import { connect as connectSocket } from 'node:net';
import pg from 'pg';
import type { Cancel, Logger, Timers } from '#kit/runtime';
import { DatabaseSilent, DatabaseUnavailable, StoreOverloaded } from './errors.ts';
import { createPulse } from './pulse.ts';

/** One connection, for as long as one caller has it. */
export interface Connection {
  /** What is asked within one turn goes out in one packet: a write to a socket costs as much as a small statement. */
  ask(query: string | pg.QueryConfig): Promise<pg.QueryResult>;
  /** Why the connection is of no use any more; undefined while it is fine. */
  readonly lost: Error | undefined;
  /** Asks the server to stop the statement under way. Best effort: it may be over by the time the server is told. */
  cancelStatement(): void;
  /** Cuts the connection at once; what is under way fails. */
  cut(reason: Error): void;
  /** Gives it back; with `broken` it is closed instead of used again. */
  release(broken?: Error): void;
}

/** How busy a pool is; for metrics. */
export interface PoolStatus {
  readonly open: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
  readonly max: number;
}

export interface Connections {
  readonly status: PoolStatus;
  take(signal?: AbortSignal): Promise<Connection>;
  /** Resolves when every connection has ended at the server too, so that it may be stopped. */
  close(): Promise<void>;
}

export interface ConnectionsOptions {
  readonly name: string;
  readonly settings: pg.ClientConfig;
  readonly connectionsMax: number;
  readonly waitingMax: number;
  /** A connection that owes an answer and is silent for so long is cut: the server or the network is gone. */
  readonly silenceMsMax: number;
  /** The server is suspected when it has said nothing for so long; see `createPulse`. 0: never. */
  readonly pulseMs: number;
  readonly timers: Timers;
  readonly log: Logger;
}

/** What node-postgres keeps of a connection and its types don't tell. */
interface ClientInside {
  readonly host: string;
  readonly port: number;
  readonly processID: number;
  readonly secretKey: number;
  readonly connection: { readonly stream: { destroy(error: Error): void; cork(): void; uncork(): void } };
}

const looksMax = 4;
/** A server that says nothing to our goodbye is not waited for any longer. */
const goodbyeMsMax = 2_000;

export function createConnections(options: ConnectionsOptions): Connections {
  const { name, settings, connectionsMax, waitingMax, silenceMsMax, pulseMs, timers, log } = options;
  const pool = new pg.Pool({ ...settings, max: connectionsMax, idleTimeoutMillis: 60_000 });
  const pulse = createPulse({ name, settings, silenceMs: pulseMs, timers, log });
  const connections = new WeakMap<pg.PoolClient, Connection>();
  const open = new Set<Connection>();
  let closing: Promise<void> | undefined;
  let lastHasEnded: () => void = () => {};

  pool.on('connect', (client) => {
    pulse.heard();
    const connection = connectionOf(client);
    connections.set(client, connection);
    open.add(connection);
    client.on('end', () => {
      open.delete(connection);
      if (open.size === 0) lastHasEnded();
    });
  });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', (error) => {
    const tell = closing ? log.debug : log.info;
    tell('idle database connection lost', { database: name, error: error.message });
  });

  /** The pool's own `end` is done when it has said goodbye, not when the server has heard it. */
  async function endAll(): Promise<void> {
    await pool.end();
    if (open.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    lastHasEnded = resolve;
    const cancel = timers.after(goodbyeMsMax, () => {
      for (const connection of open) connection.cut(new Error(`no answer to goodbye for ${goodbyeMsMax} ms`));
    });
    await promise;
    cancel();
  }

  function connectionOf(client: pg.PoolClient): Connection {
    const inside = client as unknown as ClientInside;
    let lost: Error | undefined;
    let owed = 0;
    let gathering = false;
    let answers = 0;
    let silentLooks = 0;
    let cancelWatch: Cancel | undefined;
    client.on('error', (error) => {
      lost ??= error;
    });
    client.on('end', () => cancelWatch?.());

    /**
     * Looks now and then whether an answer came since the last look: a timer set for each statement cost a tenth of a
     * small transaction. A pipeline may take long as long as it moves.
     */
    function watch(): void {
      if (silenceMsMax === 0) return;
      const seen = answers;
      silentLooks += 1;
      cancelWatch = timers.after(silenceMsMax / looksMax, () => {
        cancelWatch = undefined;
        if (owed === 0) return;
        if (answers !== seen) silentLooks = 0;
        if (silentLooks <= looksMax) return watch();
        cut(Object.assign(new Error(`no answer for ${silenceMsMax} ms`), { code: 'ETIMEDOUT' }));
      });
    }
    function gather(): void {
      if (gathering) return;
      gathering = true;
      const { stream } = inside.connection;
      stream.cork();
      void Promise.resolve().then(() => {
        gathering = false;
        stream.uncork();
      });
    }
    function answered(): void {
      owed -= 1;
      answers += 1;
      pulse.over();
      // A connection that was cut ends what is under way without a word from the server.
      if (!lost) pulse.heard();
    }
    function cut(reason: Error): void {
      lost ??= reason;
      inside.connection.stream.destroy(reason);
    }

    return {
      ask(query) {
        owed += 1;
        pulse.asked();
        if (!cancelWatch) {
          silentLooks = 0;
          watch();
        }
        gather();
        const answer = client.query(query as pg.QueryConfig);
        answer.then(answered, answered);
        return answer;
      },
      get lost() {
        return lost;
      },
      cancelStatement: () => sendCancelRequest(inside, timers),
      cut,
      release: (broken) => client.release(broken ?? lost),
    };
  }

  function isFull(): boolean {
    const free = pool.idleCount + connectionsMax - pool.totalCount;
    return pool.waitingCount >= waitingMax + free;
  }

  return {
    get status() {
      return { open: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount, max: connectionsMax };
    },
    async take(signal) {
      signal?.throwIfAborted();
      if (pulse.isSilent) throw new DatabaseSilent(name);
      if (isFull()) throw new StoreOverloaded(`${name}: connection pool`);
      const pending = pool.connect();
      pulse.asked();
      try {
        const client = await (signal ? orAborted(pending, signal) : pending);
        return connections.get(client) as Connection;
      } catch (error) {
        if (signal?.aborted) {
          pending.then(
            (client) => client.release(),
            () => {},
          );
          throw signal.reason;
        }
        if (/timeout exceeded when trying to connect/.test((error as Error).message)) {
          throw new StoreOverloaded(`${name}: connection pool`);
        }
        throw new DatabaseUnavailable(name, error);
      } finally {
        pulse.over();
      }
    },
    close() {
      pulse.stop();
      closing ??= endAll();
      return closing;
    },
  };
}

/** `promise`, or a rejection with the signal's reason, whichever is first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const cancelTimeoutMs = 2_000;

/** CancelRequest goes over a connection of its own, which the server closes (PostgreSQL documentation §54.2.9). */
function sendCancelRequest({ host, port, processID, secretKey }: ClientInside, timers: Timers): void {
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(80_877_102, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/') ? connectSocket(`${host}/.s.PGSQL.${port}`) : connectSocket(port, host);
  const cancelTimeout = timers.after(cancelTimeoutMs, () => socket.destroy());
  socket.on('error', () => {});
  socket.on('close', cancelTimeout);
  socket.end(message);
  socket.resume();
}
