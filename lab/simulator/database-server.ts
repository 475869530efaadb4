import type { Cancel } from '#kit/runtime';
import { type Connection, createConnections } from './database-connection.ts';
import type { DatabaseFaults } from './database-faults.ts';
import { createTurns } from './database-turns.ts';
import type { Incarnation, NodeClock } from './node.ts';
import type { Session } from './pglite/session.ts';
import { chance, exponential, type Simulation } from './simulation.ts';

export interface DatabaseServer {
  readonly name: string;
  readonly clock: NodeClock;
  connect(client: Incarnation): Connection;
  listen(client: Incarnation, channel: string, onMessage: (payload: string) => void): Cancel;
  /** Everything open is rolled back, and nobody gets in until `start`. */
  stop(): void;
  /** The server dies with all that it has in memory; `recover` has to bring back what was committed. */
  kill(): void;
  readonly isKilled: boolean;
  recover(): Promise<void>;
  start(): void;
  /** 1: as fast as ever. */
  slowness: number;
  /** For the checks, when all is quiet. */
  readonly session: Session;
}

export interface DatabaseServerOptions {
  readonly name: string;
  readonly simulation: Simulation;
  readonly session: Session;
  /** A session of a new server on the files that the killed one has left. */
  readonly recoverSession: () => Promise<Session>;
  readonly clock: NodeClock;
  readonly faults: DatabaseFaults;
  /** Mean time of a statement. */
  readonly latencyMs: number;
  /** What may be listened to; the session does so from the start, outside of any transaction. */
  readonly channels: readonly string[];
  /** Called when a fault kills the process that was speaking to the server. */
  readonly onCrashPoint: (client: Incarnation, why: string) => void;
}

export function createDatabaseServer(options: DatabaseServerOptions): DatabaseServer {
  const { name, simulation, clock, faults, latencyMs, channels, onCrashPoint } = options;
  const wakeUps = simulation.stream(`${name}/notifications`);
  const latencies = simulation.stream(`${name}/latency`);
  let session = options.session;
  let isUp = true;
  let isKilled = false;
  let slowness = 1;
  const listeners = new Map<string, Set<(payload: string) => void>>();
  const listenToAll = () => {
    for (const channel of channels) session.exec(`listen ${channel}`);
  };
  listenToAll();
  const later = (task: () => void) => simulation.world.timers.after(exponential(latencies, latencyMs * slowness), task);
  const turns = createTurns({
    ...{ simulation, name },
    rollback() {
      if (!isKilled) session.exec('rollback');
    },
  });
  const connect = createConnections({
    ...{ name, simulation, faults, later, turns, notify, onCrashPoint },
    session: () => session,
    isUp: () => isUp,
  });

  function notify(messages: readonly { readonly channel: string; readonly payload: string }[]): void {
    for (const { channel, payload } of messages) {
      for (const listener of listeners.get(channel) ?? []) {
        // A wake-up may be lost with its connection.
        if (simulation.faultsOn && chance(wakeUps, faults.connectionLoss)) simulation.faults.add('notification lost');
        else listener(payload);
      }
    }
  }

  function stop(why: string): void {
    isUp = false;
    turns.cutAll(why);
  }

  return {
    name,
    clock,
    get session() {
      return session;
    },
    get slowness() {
      return slowness;
    },
    set slowness(factor) {
      slowness = factor;
    },
    connect,
    listen(client, channel, onMessage) {
      if (!channels.includes(channel)) throw new Error(`${name}: nobody listens to ${channel} in the simulation`);
      const ofChannel = listeners.get(channel) ?? new Set();
      listeners.set(channel, ofChannel);
      const deliver = (payload: string) => void later(client.guard(() => onMessage(payload)));
      ofChannel.add(deliver);
      const cancel = () => void ofChannel.delete(deliver);
      client.node.onCrash(cancel);
      return cancel;
    },
    stop: () => stop('terminating connection due to administrator command'),
    kill() {
      isKilled = true;
      stop('server closed the connection unexpectedly');
    },
    get isKilled() {
      return isKilled;
    },
    async recover() {
      session = await options.recoverSession();
      isKilled = false;
      listenToAll();
    },
    start() {
      isUp = true;
    },
  };
}
