import { defineCheck } from '../check.ts';
import { groupBy } from '../group.ts';
import type { Evidence, Operation } from '../history/evidence.ts';
import { accessesOf } from './accesses.ts';

/**
 * Causes come before effects by hybrid logical time (Kulkarni et al. 2014), whatever the clocks of machines say: what a
 * session did later, what read what was written, what an event caused, what was logged later of one key.
 */
export const causesComeFirst = defineCheck({
  name: 'causes come before effects by logical time',
  needs: [],
  size: (evidence) => stamped(evidence.operations).length + events(evidence).filter(({ hlc }) => hlc).length,
  *find(evidence) {
    yield* sessionsGoOn(evidence.operations);
    yield* readsFollowWrites(evidence.operations);
    yield* eventsFollow(evidence);
  },
});

type Stamped = Operation & { readonly stamp: string };

function stamped(operations: readonly Operation[]): Stamped[] {
  return operations.flatMap((operation) => {
    const { outcome } = operation;
    return outcome.type === 'ok' && outcome.hlc !== undefined ? [{ ...operation, stamp: outcome.hlc }] : [];
  });
}

const events = ({ log = [], outbox = [] }: Evidence) => [...log, ...outbox];

function* sessionsGoOn(operations: readonly Operation[]): Iterable<string> {
  for (const [session, group] of groupBy(stamped(operations), (one) => one.session)) {
    const ended = group.toSorted((a, b) => a.endMs - b.endMs);
    let at = 0;
    let latest: Stamped | undefined;
    for (const later of group.toSorted((a, b) => a.startMs - b.startMs)) {
      for (let next = ended[at]; next && next.endMs < later.startMs; next = ended[++at]) {
        if (!latest || next.stamp > latest.stamp) latest = next;
      }
      if (latest && later.stamp <= latest.stamp)
        yield `session ${session}: ${later.id} came after ${latest.id}, but ${later.stamp} is not after ${latest.stamp}`;
    }
  }
}

/**
 * Only of reads that were asked for after the write was answered: its stamp is that of the answer, and what reads while
 * the answer is on its way may have a lesser one.
 */
function* readsFollowWrites(operations: readonly Operation[]): Iterable<string> {
  const writes = new Map<string, { readonly operation: string; readonly hlc: string; readonly endMs: number }>();
  const accesses = accessesOf(operations);
  const nameOf = (key: string, version: number) => `${version} ${key}`;
  for (const { key, version, isWrite, operation, hlc, endMs } of accesses) {
    if (isWrite && hlc !== undefined) writes.set(nameOf(key, version), { operation, hlc, endMs });
  }
  for (const { key, version, isWrite, operation, hlc, startMs } of accesses) {
    const write = isWrite ? undefined : writes.get(nameOf(key, version));
    if (write && hlc !== undefined && write.endMs < startMs && hlc < write.hlc)
      yield `${operation} read version ${version} of ${key} at ${hlc}, ${write.operation} wrote it at ${write.hlc}`;
  }
}

function* eventsFollow(evidence: Evidence): Iterable<string> {
  const times = new Map(events(evidence).flatMap(({ eventId, hlc }) => (hlc === undefined ? [] : [[eventId, hlc]])));
  for (const { eventId, causedBy, hlc } of events(evidence)) {
    const cause = causedBy === undefined ? undefined : times.get(causedBy);
    if (cause !== undefined && hlc !== undefined && hlc <= cause)
      yield `event ${eventId} at ${hlc} was caused by ${causedBy} at ${cause}`;
  }
  const keys = groupBy(evidence.log ?? [], ({ orderId }) => orderId);
  for (const [key, group] of keys) {
    let before: { readonly eventId: string; readonly hlc: string } | undefined;
    for (const { eventId, hlc } of group.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)) {
      if (hlc === undefined) continue;
      if (before && hlc <= before.hlc)
        yield `${key}: event ${eventId} at ${hlc} was logged after ${before.eventId} at ${before.hlc}`;
      before = { eventId, hlc };
    }
  }
}
