import { type Check, defineCheck } from '../check.ts';
import { groupBy } from '../group.ts';
import { type Access, accessesOf } from './accesses.ts';
import { openStates } from './people.ts';

/**
 * Session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994), by the versions
 * that answers name. In one session, what ended before a read was asked for must be in it. What overlaps is free.
 */
function sessionCheck(name: string, verb: string, binds: (earlier: Access) => boolean): Check {
  return defineCheck({
    name,
    needs: [],
    size: ({ operations }) => accessesOf(operations).filter(({ isWrite }) => !isWrite).length,
    *find({ operations }) {
      const sessions = groupBy(accessesOf(operations), ({ session, key }) => JSON.stringify([session, key]));
      for (const accesses of sessions.values()) {
        for (const [earlier, read] of readsBehind(accesses, binds)) {
          yield `session ${read.session}, ${read.key}: ${earlier.operation} ${verb} version ${earlier.version} by ` +
            `${earlier.endMs}, ${read.operation} read version ${read.version}, asked for at ${read.startMs}`;
        }
      }
    },
  });
}

/** Reads of a lower version than the highest that was known when they were asked for: one pass in order of time. */
function* readsBehind(accesses: readonly Access[], binds: (earlier: Access) => boolean): Iterable<[Access, Access]> {
  const ended = accesses.filter(binds).sort((a, b) => a.endMs - b.endMs);
  const reads = accesses.filter(({ isWrite }) => !isWrite).sort((a, b) => a.startMs - b.startMs);
  let at = 0;
  let highest: Access | undefined;
  for (const read of reads) {
    for (let next = ended[at]; next && next.endMs < read.startMs; next = ended[++at]) {
      if (!highest || next.version > highest.version) highest = next;
    }
    if (highest && read.version < highest.version) yield [highest, read];
  }
}

export const readYourWrites = sessionCheck('a session reads its own writes', 'wrote', ({ isWrite }) => isWrite);
export const monotonicReads = sessionCheck('reads of a session are monotonic', 'read', ({ isWrite }) => !isWrite);

/** Who was told that an order is decided is never shown it undecided, or gone, afterwards. */
export const ordersDoNotGoBack = defineCheck({
  name: 'reads do not go back in time',
  needs: [],
  size: ({ operations }) => operations.filter(({ kind }) => kind === 'read').length,
  *find({ operations }) {
    const decidedAtMs = new Map<string, number>();
    for (const { kind, session, endMs, outcome } of operations) {
      if ((kind !== 'place' && kind !== 'read') || outcome.type !== 'ok') continue;
      const { id, state } = (outcome.value ?? {}) as { id?: string; state?: string };
      if (id === undefined || state === undefined || openStates.has(state)) continue;
      decidedAtMs.set(session, Math.min(decidedAtMs.get(session) ?? Number.POSITIVE_INFINITY, endMs));
    }
    for (const { id: operation, kind, session, startMs, outcome } of operations) {
      if (kind !== 'read' || !(startMs > (decidedAtMs.get(session) ?? Number.POSITIVE_INFINITY))) continue;
      if (outcome.type === 'fail') {
        yield `session ${session}: its order was decided, and then read as ${outcome.problem ?? 'refused'}`;
      } else if (outcome.type === 'ok') {
        const { id, state = '' } = (outcome.value ?? {}) as { id?: string; state?: string };
        if (openStates.has(state)) yield `${id} was decided, and then read as ${state} (operation ${operation})`;
      }
    }
  },
});
