import pg from 'pg';
import type { Cancel, QueryResult, SqlValue } from '#kit/runtime';
import type { Incarnation, NodeClock } from './node.ts';
import type { Session } from './pglite/session.ts';
import { chance, exponential, type Simulation } from './simulation.ts';
import { idsIn, type TraceEvent } from './trace.ts';

/** What a statement or a commit may run into, as probabilities. */
export interface DatabaseFaults {
  /** The calling process dies before the statement arrives, or after it was executed. */
  readonly crash: number;
  /** The connection breaks before the statement arrives, or after it was executed. */
  readonly connectionLoss: number;
  /** A commit is answered by a broken connection: half of them are durable all the same. */
  readonly unknownCommit: number;
  /** The server gives up the transaction as the victim of a deadlock. */
  readonly deadlock: number;
}

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

/** One connection of a process. PGlite has one session, so connections take turns: a transaction keeps the turn. */
export interface Connection {
  /** Resolves when it is this connection's turn; rejects when that takes longer than a pool would wait. */
  acquire(): Promise<void>;
  execute(text: string, values: readonly SqlValue[]): Promise<QueryResult>;
  /** BEGIN travels with the first statement: it costs no time of its own. */
  begin(text: string): void;
  /** `unknown`: the connection broke while COMMIT was under way. */
  commit(): Promise<'committed' | 'rolled-back' | 'unknown'>;
  rollback(): Promise<void>;
  release(): void;
  /** The server, or the network between, has ended it. */
  readonly isLost: boolean;
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

/** As `connectionTimeoutMillis` of the production pool. */
const turnTimeoutMs = 5_000;
/** As `idle_in_transaction_session_timeout` of the production connections. */
const idleTimeoutMs = 15_000;

type Fault = 'crash-before' | 'crash-after' | 'loss-before' | 'loss-after' | 'deadlock';

export function createDatabaseServer(options: DatabaseServerOptions): DatabaseServer {
  const { name, simulation, clock, faults, latencyMs, channels, onCrashPoint } = options;
  const { world, trace } = simulation;
  const latencies = simulation.stream(`${name}/latency`);
  const strikes = simulation.stream(`${name}/faults`);
  const commits = simulation.stream(`${name}/commits`);
  const wakeUps = simulation.stream(`${name}/notifications`);
  const turns = simulation.stream(`${name}/turns`);
  let session = options.session;
  let isUp = true;
  let isKilled = false;
  let slowness = 1;
  let holder: Holder | undefined;
  let waiting: Waiting[] = [];
  const listeners = new Map<string, Set<(payload: string) => void>>();
  const listenToAll = () => {
    for (const channel of channels) session.exec(`listen ${channel}`);
  };
  listenToAll();

  interface Holder {
    readonly client: Incarnation;
    inTransaction: boolean;
    /** Set when the server has ended the connection; the client finds out with its next statement. */
    broken: Error | undefined;
    cancelIdle: Cancel;
  }
  interface Waiting {
    readonly holder: Holder;
    readonly resolve: () => void;
    readonly cancelTimeout: Cancel;
  }

  const note = (client: Incarnation, text: string, words: Pick<TraceEvent, 'detail' | 'about'> = {}) =>
    trace.event({ atMs: world.nowMs, kind: 'sql', node: name, from: client.node.name, text, ...words });

  const later = (task: () => void) => world.timers.after(exponential(latencies, latencyMs * slowness), task);

  /** Who is next is drawn: in a real server it is a race. */
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
    if (mine.inTransaction && !isKilled) session.exec('rollback');
    mine.inTransaction = false;
    free(mine);
  }

  function drawFault(): Fault | undefined {
    if (!simulation.faultsOn) return undefined;
    const { crash, connectionLoss, deadlock } = faults;
    const chances: readonly (readonly [Fault, number])[] = [
      ['crash-before', crash / 2],
      ['crash-after', crash / 2],
      ['loss-before', connectionLoss / 2],
      ['loss-after', connectionLoss / 2],
      ['deadlock', deadlock],
    ];
    let dice = strikes.next();
    for (const [fault, probability] of chances) {
      dice -= probability;
      if (dice < 0) return fault;
    }
    return undefined;
  }

  function notify(messages: readonly { readonly channel: string; readonly payload: string }[]): void {
    for (const { channel, payload } of messages) {
      for (const listener of listeners.get(channel) ?? []) {
        // A wake-up may be lost with its connection.
        if (simulation.faultsOn && chance(wakeUps, faults.connectionLoss)) simulation.faults.add('notification lost');
        else listener(payload);
      }
    }
  }

  /** A process that dies leaves its connections: the server rolls back and gives the turn to another. */
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

  /** As a server would: the transaction is lost, whatever the client still sends. */
  function abortByDeadlock(): Error {
    try {
      session.exec('select deadlock_detected()');
    } catch {
      return Object.assign(new pg.DatabaseError('deadlock detected', 0, 'error'), { code: '40P01' });
    }
    throw new Error('the statement that was to fail did not');
  }

  function connect(client: Incarnation): Connection {
    const mine: Holder = { client, inTransaction: false, broken: undefined, cancelIdle: () => {} };
    let beginText: string | undefined;

    function idle(): void {
      mine.cancelIdle();
      if (mine.inTransaction) {
        mine.cancelIdle = world.timers.after(idleTimeoutMs, () => {
          simulation.faults.add('transaction idle too long');
          cut(mine, connectionLost('terminating connection due to idle-in-transaction timeout'));
        });
      }
    }

    /** Takes the fault that was drawn, around the doing. Returns false where the client will never hear of it. */
    function strike(fault: Fault | undefined, at: 'before' | 'after'): boolean {
      if (fault === `crash-${at}`) {
        simulation.faults.add(`crash ${at} a statement`);
        onCrashPoint(client, `${at} a statement to ${name}`);
        return false;
      }
      if (fault === `loss-${at}`) {
        simulation.faults.add(`connection lost ${at} a statement`);
        const error = connectionLost('Connection terminated unexpectedly');
        cut(mine, error);
        throw error;
      }
      return true;
    }

    /** One statement at the server. Undefined: the client is dead. */
    function perform(text: string, values: readonly SqlValue[]): QueryResult | undefined {
      if (mine.broken) throw mine.broken;
      const fault = drawFault();
      if (!strike(fault, 'before')) return undefined;
      if (beginText !== undefined) {
        session.exec(beginText);
        mine.inTransaction = true;
        beginText = undefined;
      }
      if (fault === 'deadlock' && mine.inTransaction) {
        simulation.faults.add('deadlock');
        throw abortByDeadlock();
      }
      const answer = session.run(text, values);
      notify(answer.notifications);
      note(client, `${text.length} ${answer.count}`, trace.isKept ? wordsOf(text, values) : undefined);
      return strike(fault, 'after') ? answer : undefined;
    }

    /** The server works on while its client is paused; only the answer has to wait. */
    function step<T>(doing: () => T | undefined): Promise<T> {
      mine.cancelIdle();
      return new Promise((resolve, reject) => {
        later(() => {
          if (!client.isAlive) return;
          let answer: () => void;
          try {
            const done = doing();
            if (done === undefined) return;
            answer = () => resolve(done);
          } catch (error) {
            answer = () => reject(error);
          }
          idle();
          client.guard(answer)();
        });
      });
    }

    watch(client);

    return {
      acquire() {
        // Nobody would ever give its turn back.
        if (!client.isAlive) return new Promise(() => {});
        if (!isUp) return refused(client);
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
      begin(text) {
        beginText = text;
      },
      execute: (text, values) => step(() => perform(text, values)),
      commit: () => step(commit),
      async rollback() {
        if (mine.inTransaction && !mine.broken) session.exec('rollback');
        mine.inTransaction = false;
      },
      release() {
        free(mine);
      },
      get isLost() {
        return mine.broken !== undefined;
      },
    };

    function commit(): 'committed' | 'rolled-back' | 'unknown' | undefined {
      if (mine.broken) return 'unknown';
      if (!mine.inTransaction) return 'committed';
      const fault = drawFault();
      if (fault === 'crash-before' || fault === 'crash-after') return commitCrash(fault);
      if (simulation.faultsOn && chance(commits, faults.unknownCommit)) return commitUnknown();
      return finish();
    }

    function finish(): 'committed' | 'rolled-back' {
      const { tag, notifications } = session.exec('commit');
      mine.inTransaction = false;
      notify(notifications);
      note(client, tag);
      return tag === 'COMMIT' ? 'committed' : 'rolled-back';
    }

    function commitCrash(fault: 'crash-before' | 'crash-after'): undefined {
      const when = fault === 'crash-before' ? 'before' : 'after';
      simulation.faults.add(`crash ${when} a commit`);
      if (when === 'after') finish();
      onCrashPoint(client, `${when} a commit to ${name}`);
      return undefined;
    }

    function commitUnknown(): 'unknown' {
      const isDurable = chance(commits, 0.5);
      simulation.faults.add(isDurable ? 'commit unknown, durable' : 'commit unknown, undone');
      if (isDurable) finish();
      note(client, `commit ${isDurable ? 'done' : 'undone'}, nobody is told`);
      cut(mine, connectionLost('Connection terminated unexpectedly'));
      return 'unknown';
    }
  }

  function refused(client: Incarnation): Promise<never> {
    return new Promise((_, reject) => {
      const error = Object.assign(new Error(`connect ECONNREFUSED ${name}`), { code: 'ECONNREFUSED' });
      world.timers.after(
        1,
        client.guard(() => reject(error)),
      );
    });
  }

  function stop(why: string): void {
    isUp = false;
    if (holder) cut(holder, connectionLost(why));
    // Who was waiting for a turn is told by the broken socket.
    const told = waiting;
    waiting = [];
    for (const { holder: waiter, resolve, cancelTimeout } of told) {
      cancelTimeout();
      waiter.broken = connectionLost(why);
      resolve();
    }
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

function connectionLost(message: string): Error {
  return Object.assign(new Error(`Connection terminated: ${message}`), { code: 'ECONNRESET' });
}

/** Enough of a statement to know it again. */
function wordsOf(text: string, values: readonly SqlValue[]): Pick<TraceEvent, 'detail' | 'about'> {
  return {
    detail: text.replaceAll(/\s+/g, ' ').trim().slice(0, 110),
    about: idsIn(JSON.stringify(values, bigintAsText)),
  };
}

const bigintAsText = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);

export const noDatabaseFaults: DatabaseFaults = { crash: 0, connectionLoss: 0, unknownCommit: 0, deadlock: 0 };
