import pg from 'pg';
import type { Random } from '#kit/runtime';

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

export const noDatabaseFaults: DatabaseFaults = { crash: 0, connectionLoss: 0, unknownCommit: 0, deadlock: 0 };

export type StatementFault = 'crash-before' | 'crash-after' | 'loss-before' | 'loss-after' | 'deadlock';

/** What happens to one statement: mostly nothing. */
export function drawFault(faults: DatabaseFaults, strikes: Random): StatementFault | undefined {
  const { crash, connectionLoss, deadlock } = faults;
  const chances: readonly (readonly [StatementFault, number])[] = [
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

export function connectionLost(message: string): Error {
  return Object.assign(new Error(`Connection terminated: ${message}`), { code: 'ECONNRESET' });
}

export const deadlockDetected = (): Error =>
  Object.assign(new pg.DatabaseError('deadlock detected', 0, 'error'), { code: '40P01' });
