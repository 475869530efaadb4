import type { EventEnvelope } from './envelope.ts';
import type { LogRecord, ReadRange } from './log.ts';

/**
 * The newest events that this process has appended, so that its own readers, which are mostly right behind, need not ask
 * the database for what was here a moment ago. Only ever a shortcut: whatever is not here is asked for.
 */
export interface RecentEvents {
  /** Told of what is committed, one partition at a time: JSON texts and the offset of the first. */
  appended(topic: string, partition: number, firstOffset: number, envelopes: readonly string[]): void;
  /** As `EventLog.read`; undefined where the database has to be asked. */
  read(ranges: readonly ReadRange[], limit: number, limitPerRange: number): readonly LogRecord[] | undefined;
  /** What retention removes is not to be read any more. */
  forget(): void;
}

/** A run of events of one partition without gaps. Texts are parsed by the first who reads them. */
interface Run {
  readonly firstOffset: number;
  readonly events: (string | EventEnvelope)[];
}

const runMax = 64;
/** In UTF-16 units, over all partitions. */
const textMax = 4 * 2 ** 20;
/** What other processes append shows in the database only: every so often it is asked although there is something here. */
const readsInARowMax = 8;

export function createRecentEvents(): RecentEvents {
  const runs = new Map<string, Run>();
  let textLength = 0;
  let readsInARow = 0;

  function lengthOf(envelopes: readonly string[]): number {
    return envelopes.reduce((sum, envelope) => sum + envelope.length, 0);
  }

  function readRange({ topic, partition, fromOffset }: ReadRange, { firstOffset, events }: Run, max: number) {
    const from = fromOffset - firstOffset;
    return events.slice(from, from + max).map((_, i): LogRecord => {
      return { topic, partition, offset: fromOffset + i, event: eventAt(events, from + i) };
    });
  }

  return {
    appended(topic, partition, firstOffset, envelopes) {
      textLength += lengthOf(envelopes);
      if (textLength > textMax) {
        runs.clear();
        textLength = lengthOf(envelopes);
      }
      const name = `${topic}/${partition}`;
      const run = runs.get(name);
      const before = run && run.firstOffset + run.events.length === firstOffset ? run.events : [];
      const events = [...before, ...envelopes].slice(-runMax);
      runs.set(name, { firstOffset: firstOffset + envelopes.length - events.length, events });
    },
    read(ranges, limit, limitPerRange) {
      if (readsInARow >= readsInARowMax) {
        readsInARow = 0;
        return undefined;
      }
      const records: LogRecord[] = [];
      for (const range of ranges) {
        const run = runs.get(`${range.topic}/${range.partition}`);
        if (!run) continue;
        // Who is far behind must not be overtaken by what is new.
        if (range.fromOffset < run.firstOffset) return undefined;
        records.push(...readRange(range, run, Math.min(limitPerRange, limit - records.length)));
      }
      if (records.length === 0) return undefined;
      readsInARow += 1;
      return records;
    },
    forget() {
      runs.clear();
      textLength = 0;
    },
  };
}

function eventAt(events: (string | EventEnvelope)[], index: number): EventEnvelope {
  const event = events[index] as string | EventEnvelope;
  if (typeof event !== 'string') return event;
  const parsed = JSON.parse(event) as EventEnvelope;
  events[index] = parsed;
  return parsed;
}
