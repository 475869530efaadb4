import type { Cancel } from '#kit/runtime';
import { connectionLost } from './database-faults.ts';
import type { Incarnation } from './node.ts';
import type { Simulation } from './simulation.ts';

/** A connection as the server sees it. */
export interface Holder {
  readonly client: Incarnation;
  inTransaction: boolean;
  /** Set when the server has ended the connection; the client finds out with its next statement. */
  broken: Error | undefined;
  cancelIdle: Cancel;
}

/** PGlite has one session: connections take turns, and a transaction keeps the turn. Who is next is drawn. */
export interface Turns {
  /** A process that dies leaves its connections: the server rolls back and gives the turn to another. */
  watch(client: Incarnation): void;
  /** Resolves when it is this connection's turn; rejects when that takes longer than a pool would wait. */
  take(mine: Holder): Promise<void>;
  free(mine: Holder): void;
  /** The server ends a connection: what was open is undone. */
  cut(mine: Holder, error: Error): void;
  /** The server ends them all. */
  cutAll(why: string): void;
}

interface Waiting {
  readonly holder: Holder;
  readonly resolve: () => void;
  readonly cancelTimeout: Cancel;
}

/** As `connectionTimeoutMillis` of the production pool. */
const turnTimeoutMs = 5_000;

export interface TurnsOptions {
  readonly simulation: Simulation;
  /** Of the server. */
  readonly name: string;
  /** Undoes what is open in the session, if there is one. */
  readonly rollback: () => void;
}

export function createTurns({ simulation, name, rollback }: TurnsOptions): Turns {
  const { world } = simulation;
  const turns = simulation.stream(`${name}/turns`);
  let holder: Holder | undefined;
  let waiting: Waiting[] = [];

  /** In a real server it is a race. */
  function next(): void {
    if (holder || waiting.length === 0) return;
    const index = Math.floor(turns.next() * waiting.length);
    const [chosen] = waiting.splice(index, 1) as [Waiting];
    chosen.cancelTimeout();
    if (!chosen.holder.client.isAlive) {
      next();
      return;
    }
    holder = chosen.holder;
    chosen.resolve();
  }

  function free(mine: Holder): void {
    mine.cancelIdle();
    if (holder !== mine) return;
    holder = undefined;
    next();
  }

  /** The server ends a connection: what was open is undone. */
  function cut(mine: Holder, error: Error): void {
    mine.broken ??= error;
    if (mine.inTransaction) rollback();
    mine.inTransaction = false;
    free(mine);
  }

  const watched = new Set<string>();
  function watch({ node }: Incarnation): void {
    if (watched.has(node.name)) return;
    watched.add(node.name);
    node.onCrash(() => {
      waiting = waiting.filter((entry) => {
        if (entry.holder.client.node === node) entry.cancelTimeout();
        return entry.holder.client.node !== node;
      });
      if (holder?.client.node === node) cut(holder, connectionLost('the client has died'));
    });
  }

  return {
    watch,
    free,
    cut,
    take(mine) {
      const { client } = mine;
      if (!holder && waiting.length === 0) {
        holder = mine;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const entry: Waiting = {
          holder: mine,
          resolve: () => client.guard(resolve)(),
          cancelTimeout: world.timers.after(
            turnTimeoutMs,
            client.guard(() => {
              waiting = waiting.filter((other) => other !== entry);
              simulation.faults.add('connection pool timed out');
              reject(new Error('timeout exceeded when trying to connect'));
            }),
          ),
        };
        waiting.push(entry);
      });
    },
    cutAll(why) {
      // Nobody gets the turn that becomes free: who was waiting for one is told by the broken socket.
      const told = waiting;
      waiting = [];
      if (holder) cut(holder, connectionLost(why));
      for (const { holder: waiter, resolve, cancelTimeout } of told) {
        cancelTimeout();
        waiter.broken = connectionLost(why);
        resolve();
      }
    },
  };
}
