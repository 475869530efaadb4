import type { Check } from '../check.ts';
import type { AuditFact } from '../fact-rows.ts';
import { type BookCall, type DoorBook, hashOfKey, type Visit } from './book.ts';
import type { KeyStory } from './program-errand.ts';

/** A line that does not wait for its answer is written within this; a write that takes longer has met trouble. */
const writtenWithinMs = 1_000;
/** An answer waits for its line no longer. */
const answerWaitMs = 2_000;
/** Whoever writes lines rests after an error, for so long at most. */
const restAfterErrorMs = 5_100;

const isWrittenDown = ({ as, isChange }: Visit): boolean =>
  as === 'staff' || as === 'admin' || (as === 'customer' && isChange);

/** What staff change is written down before they hear of it; the rest a moment later. */
const waitsForItsLine = ({ as, isChange }: Visit): boolean => isChange && (as === 'staff' || as === 'admin');

const isAccepted = ({ status }: Visit): boolean => status !== undefined && status < 400;

const subject = ({ correlationId, operation }: Pick<Visit, 'correlationId' | 'operation'>): string =>
  `${operation} (${correlationId})`;

/**
 * Each accepted request of staff has one line in the audit log, and so has each change by a customer. More lines than
 * requests: something is written down twice. Fewer than answers: it was lost, which a process may only do that died, and
 * that had not come to write; where staff change something, only because its database failed it before the answer.
 */
export const auditTellsAll: Check = {
  name: 'what staff did is in the audit log, once',
  size: ({ door }) => door.visits.filter((visit) => isWrittenDown(visit) && isAccepted(visit)).length,
  *find({ door, audit }) {
    const lines = Map.groupBy(
      audit.filter(({ actorKind }) => ['staff', 'admin', 'customer'].includes(actorKind)),
      subject,
    );
    const visits = Map.groupBy(door.visits.filter(isWrittenDown), subject);
    for (const [name, found] of lines) {
      const asked = visits.get(name)?.length ?? 0;
      if (found.length > asked) yield `${name} was asked ${asked} times, and is written down ${found.length} times`;
    }
    for (const [name, asked] of visits) yield* answersAreWrittenDown(name, asked, lines.get(name) ?? [], door);
  },
};

function* answersAreWrittenDown(
  name: string,
  asked: readonly Visit[],
  lines: readonly AuditFact[],
  door: DoorBook,
): Iterable<string> {
  for (const [status, answered] of Map.groupBy(asked.filter(isAccepted), (visit) => visit.status)) {
    const written = lines.filter((line) => line.status === status).length;
    const excused = answered.filter((visit) => mayBeLost(visit, door)).length;
    if (written < answered.length - excused)
      yield `${name} was answered ${status} ${answered.length} times, ${excused} of them may be lost, and ${written} are written down`;
  }
}

function mayBeLost(visit: Visit, { ended, calls }: DoorBook): boolean {
  const { at, answeredAtMs = 0 } = visit;
  const endedAtMs = ended.get(at);
  if (endedAtMs === undefined || endedAtMs < answeredAtMs) return false;
  const writes = calls.filter((call) => call.at === at && call.what === 'audit');
  // The first may have sent again what failed before; the next one took all that waited.
  if (writes.filter(({ isDone, startMs }) => isDone && startMs >= answeredAtMs).length > 1) return false;
  if (waitsForItsLine(visit)) return isHeldUp(writes, answeredAtMs - answerWaitMs, answeredAtMs);
  // Its own write comes after the one that is under way.
  const writesLeft = writes.some(({ endMs }) => endMs === undefined) ? 2 : 1;
  return endedAtMs - answeredAtMs <= writesLeft * writtenWithinMs || isHeldUp(writes, answeredAtMs, endedAtMs);
}

/** Whether a write has failed or taken too long, by the end of that time, and not so long before it that it was forgotten. */
function isHeldUp(writes: readonly BookCall[], fromMs: number, untilMs: number): boolean {
  const isOver = ({ endMs }: BookCall) => endMs !== undefined && endMs <= untilMs;
  return writes.some((write) => {
    const { startMs, isDone, endMs = untilMs } = write;
    if (startMs > untilMs || endMs < fromMs - restAfterErrorMs) return false;
    return (isOver(write) && !isDone) || Math.min(endMs, untilMs) - startMs > writtenWithinMs;
  });
}

/** For how long a key is taken as it was when it was last looked up, should word of its end be lost. */
const freshMs = 1_000;
/** The same while it can not be looked up. */
const staleMsMax = 60_000;
/** Clocks run fast and slow. */
const slackMs = 100;

/** A key opens what it was made for and nothing else, and nothing any more once its revocation was answered. */
export const revokedKeysStayOut: Check = {
  name: 'an API key opens what it is for, until it is revoked',
  size: ({ errands }) => errands.keys.reduce((sum, { uses }) => sum + uses.length, 0),
  *find({ errands, door }) {
    for (const story of errands.keys) {
      const { keyId, revokedAtMs, uses, trespasses } = story;
      for (const status of trespasses) if (status < 300) yield `${keyId} was let in to what it is not for`;
      if (revokedAtMs === undefined) continue;
      for (const use of uses) {
        const laterMs = use.startMs - revokedAtMs - slackMs;
        if (use.was !== 'served' || laterMs <= freshMs) continue;
        const isExcused = laterMs <= staleMsMax && lookUpFailed(door, story, use);
        if (!isExcused) yield `${keyId} was let in ${Math.round(use.startMs - revokedAtMs)} ms after it was revoked`;
      }
    }
  },
};

/** A door that can't look a key up goes by what it knew of it last. It has to have tried, for this key and this request. */
function lookUpFailed(
  { visits, calls }: DoorBook,
  { key, correlationId }: KeyStory,
  use: KeyStory['uses'][0],
): boolean {
  const isMeanwhile = (atMs = Number.NaN) => atMs >= use.startMs && atMs <= use.endMs;
  const servedAt = new Set(
    visits
      .filter((visit) => visit.correlationId === correlationId && isAccepted(visit) && isMeanwhile(visit.answeredAtMs))
      .map(({ at }) => at),
  );
  const hash = hashOfKey(key);
  return calls.some(
    ({ what, at, of, isDone, endMs }) =>
      what === 'key' && servedAt.has(at) && of === hash && !isDone && isMeanwhile(endMs),
  );
}

/** A thief of every database learns no password, no token and no key. */
export const secretsAreInNoTable: Check = {
  name: 'no table holds a secret in clear',
  size: ({ errands, tables }) => (tables.length > 0 ? errands.secrets.size : 0),
  *find({ errands, tables }) {
    const databases = Map.groupBy(tables, ({ database }) => database);
    for (const [database, rows] of databases) {
      const text = rows.map(({ row }) => row).join('\n');
      for (const secret of errands.secrets) {
        const found = formsOf(secret).find((form) => text.includes(form));
        if (found === undefined) continue;
        const [table] = rows.find(({ row }) => row.includes(found))?.row.split(' ') ?? [];
        yield `${table} of ${database} holds ${secret.slice(0, 8)}…`;
      }
    }
  },
};

/** As it is told, and as its bytes would stand in a table. */
function formsOf(secret: string): string[] {
  const hex = Buffer.from(secret).toString('hex');
  if (!secret.startsWith('whsec_')) return [secret, hex];
  const raw = secret.slice('whsec_'.length);
  return [raw, hex, Buffer.from(raw, 'base64').toString('hex')];
}
