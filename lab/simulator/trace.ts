import { createHash } from 'node:crypto';
import type { SqlValue } from '#kit/runtime';

/** One thing that happened. `text` is all there is to say about it; the other fields are for drawing. */
export interface TraceEvent {
  readonly atMs: number;
  readonly kind: TraceKind;
  readonly node: string;
  readonly text: string;
  /** More for people, left out of the digest: error messages may name files of this machine. */
  readonly detail?: string | undefined;
  /** Orders and requests that it concerns, for people who follow one of them. Left out of the digest too. */
  readonly about?: readonly string[] | undefined;
  /** A fault that lasts: when it ends by itself. */
  readonly untilMs?: number | undefined;
  /** A message: where it came from, and when it left there. */
  readonly from?: string;
  readonly sentAtMs?: number;
}

export type TraceKind = 'sql' | 'message' | 'lost' | 'fault' | 'node' | 'log' | 'client' | 'provider' | 'check';

/** Takes down everything that happens, for the digest always and for people on demand. */
export interface Trace {
  event(event: TraceEvent): void;
  /** SHA-256 over everything so far, as 16 hex digits. */
  digest(): string;
  /** Kept only where asked for. */
  readonly events: readonly TraceEvent[];
  /** Whether anyone will read the texts: what is costly to word can be left out otherwise. */
  readonly isKept: boolean;
  readonly count: number;
}

const chunkLength = 65_536;

export function createTrace(options: { readonly keep: boolean; readonly startMs: number }): Trace {
  const { keep, startMs } = options;
  const hash = createHash('sha256');
  const events: TraceEvent[] = [];
  let chunk = '';
  let count = 0;
  return {
    event(event) {
      count += 1;
      chunk += `${(event.atMs - startMs).toFixed(3)} ${event.kind} ${event.from ?? ''}>${event.node} ${event.text}\n`;
      if (chunk.length > chunkLength) {
        hash.update(chunk);
        chunk = '';
      }
      if (keep) events.push(sinceStart(event, startMs));
    },
    digest() {
      hash.update(chunk);
      chunk = '';
      return hash.copy().digest('hex').slice(0, 16);
    },
    events,
    isKept: keep,
    get count() {
      return count;
    },
  };
}

function sinceStart(event: TraceEvent, startMs: number): TraceEvent {
  const { atMs, sentAtMs, untilMs } = event;
  return {
    ...event,
    atMs: atMs - startMs,
    ...(sentAtMs === undefined ? {} : { sentAtMs: sentAtMs - startMs }),
    ...(untilMs === undefined ? {} : { untilMs: untilMs - startMs }),
  };
}

/** Orders and requests that a text names: `ord_…`, and `op-7` for operation 7 of the plan. */
export const idsIn = (text: string): string[] => [...new Set(text.match(/\bord_[0-9A-Za-z]+|\bop-\d+/g))];

/** Enough of a statement to know it again. */
export function wordsOf(text: string, values: readonly SqlValue[]): Pick<TraceEvent, 'detail' | 'about'> {
  return {
    detail: text.replaceAll(/\s+/g, ' ').trim().slice(0, 110),
    about: idsIn(JSON.stringify(values, bigintAsText)),
  };
}

const bigintAsText = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);
