import type { Refusal, SagaDefinition } from './definition.ts';

export type SagaStatus = 'running' | 'compensating' | 'completed' | 'refused' | 'stuck' | 'abandoned';

/** One line of a saga's history. Times are of the instance that wrote it: for people, never for order. */
export interface JournalEntry {
  /** Empty where it is about the saga as a whole. */
  readonly step: string;
  readonly event: 'done' | 'refused' | 'failed' | 'compensated' | 'taken-over' | 'gave-up' | 'resumed' | 'abandoned';
  readonly at: number;
  readonly attempts?: number;
  readonly durationMs?: number;
  readonly detail?: string;
  /** On the entry that a saga is stuck by: the way it was going, and goes on when it is resumed. */
  readonly stuckWhile?: 'running' | 'compensating';
}

/** A saga as it stands in the database. Plain data: the pure functions below move it on. */
export interface SagaRecord {
  readonly id: string;
  readonly definition: string;
  readonly version: number;
  readonly status: SagaStatus;
  readonly step: number;
  readonly input: unknown;
  readonly results: Readonly<Record<string, unknown>>;
  readonly journal: readonly JournalEntry[];
  readonly cause: Refusal | null;
  readonly fence: number;
  /**
   * Grows with every change. Writes may overtake one another; only a higher revision replaces a lower one. Each place in
   * the saga has a block of its own (see `revisionBlock`).
   */
  readonly revision: number;
  readonly owner: string | null;
  /** Set while a wait step sleeps: the saga belongs to nobody until so long after it was written. */
  readonly wakeAfterMs?: number;
}

/**
 * A saga's history keeps its newest entries, and what people left undone: a step that fails for days must not grow its row
 * for days.
 */
export const journalEntriesMax = 64;

/**
 * Moving on goes to the start of the next block, notes at the same place count up within it. So every attempt at leaving
 * a place writes the same revision, however many notes were made in between: of two attempts at a local step, the first
 * of which seemed to fail but was committed after all, the second finds its progress standing and has no effect.
 */
export const revisionBlock = 1_000;

export function placeOf(revision: number): number {
  return Math.floor(revision / revisionBlock);
}

function movedOn(record: SagaRecord): number {
  return (placeOf(record.revision) + 1) * revisionBlock;
}

export function newSaga<Input>(definition: SagaDefinition<Input>, id: string, input: Input, owner: string): SagaRecord {
  return {
    id,
    definition: definition.name,
    version: definition.version,
    status: 'running',
    step: 0,
    input,
    results: {},
    journal: [],
    cause: null,
    fence: 1,
    revision: 1,
    owner,
  };
}

export function isEnded(record: SagaRecord): boolean {
  return record.status === 'completed' || record.status === 'refused' || record.status === 'abandoned';
}

/** The step under way succeeded: on to the next, or the end. */
export function stepDone(
  record: SagaRecord,
  stepName: string,
  stepCount: number,
  result: unknown,
  entry: JournalEntry,
): SagaRecord {
  const step = record.step + 1;
  return {
    ...record,
    revision: movedOn(record),
    step,
    status: step === stepCount ? 'completed' : 'running',
    results: result === undefined ? record.results : { ...record.results, [stepName]: result },
    journal: journalWith(record, entry),
  };
}

/**
 * Turns round. Compensation begins with the step under way where it may have happened, the one before
 * where its clear refusal says that it has not. A saga that was taken over turns round from its pivot, because progress
 * between steps is written behind: whoever had it before may have done more than the record tells.
 */
export function turnRound(
  record: SagaRecord,
  cause: Refusal,
  position: { readonly includeCurrent: boolean; readonly pivot: number },
  entry: JournalEntry,
): SagaRecord {
  const here = position.includeCurrent ? record.step : record.step - 1;
  return {
    ...record,
    revision: movedOn(record),
    status: 'compensating',
    step: record.fence > 1 ? Math.max(here, position.pivot) : here,
    cause,
    journal: journalWith(record, entry),
  };
}

/** The step at `record.step` was undone: on to the one before. Below 0 all is undone. */
export function stepCompensated(record: SagaRecord, entry: JournalEntry | undefined): SagaRecord {
  return {
    ...record,
    revision: movedOn(record),
    step: record.step - 1,
    journal: entry ? journalWith(record, entry) : record.journal,
  };
}

/** The end of the way back. Where people gave a compensation up not all is undone: it stays listed for them. */
export function refusedFor(record: SagaRecord): SagaRecord {
  const status = record.journal.some(isLeftUndone) ? 'abandoned' : 'refused';
  return { ...record, revision: movedOn(record), status };
}

/** People gave up the compensation of a step: the entry that says so names it. */
function isLeftUndone({ event, step }: JournalEntry): boolean {
  return event === 'abandoned' && step !== '';
}

/** Stops until people have looked. The entry that says why stays the last one of the journal until then. */
export function stuckFor(record: SagaRecord, cause: Refusal, entry: JournalEntry): SagaRecord {
  const stuckWhile = record.status === 'compensating' ? 'compensating' : 'running';
  return {
    ...record,
    revision: movedOn(record),
    status: 'stuck',
    cause,
    owner: null,
    journal: journalWith(record, { ...entry, stuckWhile }),
  };
}

/** Adds a line of history without moving the saga on. */
export function noted(record: SagaRecord, entry: JournalEntry): SagaRecord {
  const last = movedOn(record) - 1;
  return { ...record, revision: Math.min(record.revision + 1, last), journal: journalWith(record, entry) };
}

/** Lays the saga down for a wait step; whoever finds it due takes it up again. */
export function asleep(record: SagaRecord, stepName: string, delayMs: number): SagaRecord {
  return {
    ...record,
    revision: movedOn(record),
    owner: null,
    results: { ...record.results, [stepName]: 'waiting' },
    wakeAfterMs: delayMs,
  };
}

export function journalWith(record: SagaRecord, entry: JournalEntry): readonly JournalEntry[] {
  const journal = [...record.journal, entry];
  if (journal.length <= journalEntriesMax) return journal;
  const older = journal.length - journalEntriesMax;
  return journal.filter((entry, i) => i >= older || isLeftUndone(entry));
}
