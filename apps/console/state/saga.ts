import type { SagaView } from './order.ts';

/** One line of a saga's history (kit/saga/record.ts), as the API hands it on. */
export interface JournalEntry {
  readonly step: string;
  readonly event: string;
  readonly at: number;
  readonly attempts?: number;
  readonly durationMs?: number;
  readonly detail?: string;
}

export type Moment =
  | { readonly kind: 'entry'; readonly entry: JournalEntry; readonly sinceMs: number }
  | { readonly kind: 'now'; readonly step: string; readonly words: string }
  | { readonly kind: 'ahead'; readonly step: string };

const ended = new Set(['completed', 'refused', 'abandoned']);

/** What was tried, what is under way and what is still to come, in that order. */
export function momentsOf(saga: SagaView): Moment[] {
  const journal = (saga.journal ?? []) as readonly JournalEntry[];
  const firstMs = journal[0]?.at ?? 0;
  const past = journal.map((entry) => ({ kind: 'entry', entry, sinceMs: entry.at - firstMs }) as const);
  const steps = saga.steps ?? [];
  const current = steps[saga.step]?.name;
  if (ended.has(saga.status)) return past;
  if (saga.status === 'compensating') {
    return current === undefined ? past : [...past, { kind: 'now', step: current, words: 'is being undone' }];
  }
  const words = saga.status === 'stuck' ? 'waits for people' : 'is under way';
  const now: Moment[] = current === undefined ? [] : [{ kind: 'now', step: current, words }];
  const ahead = steps.slice(saga.step + 1).map(({ name }) => ({ kind: 'ahead', step: name }) as const);
  return [...past, ...now, ...ahead];
}

/** Before its pivot a saga can be undone; one that only goes forward ends by itself, unless it is stuck. */
export function canBeAbandoned({ status, step, steps = [] }: SagaView): boolean {
  const pivot = steps.findIndex((each) => each.pivot);
  return status === 'stuck' || (status === 'running' && step <= pivot);
}

/** What an event of the journal means, for people who have not read kit/saga. */
export const eventWords: Readonly<Record<string, string>> = {
  done: 'done',
  refused: 'refused: everything before it is undone',
  failed: 'failed, and is tried again',
  compensated: 'undone',
  'taken-over': 'taken over by another instance',
  'gave-up': 'given up after its time',
  resumed: 'resumed by people',
  abandoned: 'abandoned by people',
};

export const isTimeout = ({ detail = '' }: JournalEntry): boolean =>
  /took over \d+ ms|time-?out|deadline/i.test(detail);
