import { createHash } from 'node:crypto';

/** One thing that happened. `text` is all there is to say about it; the other fields are for drawing. */
export interface TraceEvent {
  readonly atMs: number;
  readonly kind: TraceKind;
  readonly node: string;
  readonly text: string;
  /** More for people, left out of the digest: error messages may name files of this machine. */
  readonly detail?: string | undefined;
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
      if (keep) events.push({ ...event, atMs: event.atMs - startMs });
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
