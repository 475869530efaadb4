import type { QueryResult, SqlValue } from '#kit/runtime';
import {
  connectionLost,
  type DatabaseFaults,
  deadlockDetected,
  drawFault,
  type StatementFault,
} from './database-faults.ts';
import type { Holder, Turns } from './database-turns.ts';
import type { Incarnation } from './node.ts';
import type { Session } from './pglite/session.ts';
import { chance, type Simulation } from './simulation.ts';
import { type TraceEvent, wordsOf } from './trace.ts';

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

export interface ConnectionsOptions {
  /** Of the server. */
  readonly name: string;
  readonly simulation: Simulation;
  readonly faults: DatabaseFaults;
  /** Does it when the server comes to it. */
  readonly later: (task: () => void) => void;
  readonly session: () => Session;
  readonly isUp: () => boolean;
  readonly turns: Turns;
  readonly notify: (messages: readonly { readonly channel: string; readonly payload: string }[]) => void;
  /** Called when a fault kills the process that was speaking to the server. */
  readonly onCrashPoint: (client: Incarnation, why: string) => void;
}

/** As `idle_in_transaction_session_timeout` of the production connections. */
const idleTimeoutMs = 15_000;

/** Makes the connections of one server, and lets happen to them what may happen. */
export function createConnections(options: ConnectionsOptions): (client: Incarnation) => Connection {
  const { name, simulation, faults, later, session, isUp, turns, notify, onCrashPoint } = options;
  const { world, trace } = simulation;
  const strikes = simulation.stream(`${name}/faults`);
  const commits = simulation.stream(`${name}/commits`);

  const note = (client: Incarnation, text: string, words: Pick<TraceEvent, 'detail' | 'about'> = {}) =>
    trace.event({ atMs: world.nowMs, kind: 'sql', node: name, from: client.node.name, text, ...words });

  const draw = () => (simulation.faultsOn ? drawFault(faults, strikes) : undefined);

  /** As a server would: the transaction is lost, whatever the client still sends. */
  function abortByDeadlock(): Error {
    try {
      session().exec('select deadlock_detected()');
    } catch {
      return deadlockDetected();
    }
    throw new Error('the statement that was to fail did not');
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

  return function connect(client) {
    const mine: Holder = { client, inTransaction: false, broken: undefined, cancelIdle: () => {} };
    let beginText: string | undefined;

    function idle(): void {
      mine.cancelIdle();
      if (mine.inTransaction) {
        mine.cancelIdle = world.timers.after(idleTimeoutMs, () => {
          simulation.faults.add('transaction idle too long');
          turns.cut(mine, connectionLost('terminating connection due to idle-in-transaction timeout'));
        });
      }
    }

    /** Takes the fault that was drawn, around the doing. Returns false where the client will never hear of it. */
    function strike(fault: StatementFault | undefined, at: 'before' | 'after'): boolean {
      if (fault === `crash-${at}`) {
        simulation.faults.add(`crash ${at} a statement`);
        onCrashPoint(client, `${at} a statement to ${name}`);
        return false;
      }
      if (fault === `loss-${at}`) {
        simulation.faults.add(`connection lost ${at} a statement`);
        const error = connectionLost('Connection terminated unexpectedly');
        turns.cut(mine, error);
        throw error;
      }
      return true;
    }

    /** One statement at the server. Undefined: the client is dead. */
    function perform(text: string, values: readonly SqlValue[]): QueryResult | undefined {
      if (mine.broken) throw mine.broken;
      const fault = draw();
      if (!strike(fault, 'before')) return undefined;
      if (beginText !== undefined) {
        session().exec(beginText);
        mine.inTransaction = true;
        beginText = undefined;
      }
      if (fault === 'deadlock' && mine.inTransaction) {
        simulation.faults.add('deadlock');
        throw abortByDeadlock();
      }
      const answer = session().run(text, values);
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

    turns.watch(client);

    return {
      acquire() {
        // Nobody would ever give its turn back.
        if (!client.isAlive) return new Promise(() => {});
        return isUp() ? turns.take(mine) : refused(client);
      },
      begin(text) {
        beginText = text;
      },
      execute: (text, values) => step(() => perform(text, values)),
      commit: () => step(commit),
      async rollback() {
        if (mine.inTransaction && !mine.broken) session().exec('rollback');
        mine.inTransaction = false;
      },
      release() {
        turns.free(mine);
      },
      get isLost() {
        return mine.broken !== undefined;
      },
    };

    function commit(): 'committed' | 'rolled-back' | 'unknown' | undefined {
      if (mine.broken) return 'unknown';
      if (!mine.inTransaction) return 'committed';
      const fault = draw();
      if (fault === 'crash-before' || fault === 'crash-after') return commitCrash(fault);
      if (simulation.faultsOn && chance(commits, faults.unknownCommit)) return commitUnknown();
      return finish();
    }

    function finish(): 'committed' | 'rolled-back' {
      const { tag, notifications } = session().exec('commit');
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
      turns.cut(mine, connectionLost('Connection terminated unexpectedly'));
      return 'unknown';
    }
  };
}
