import type { SagaRecord } from './record.ts';

/** How a step's call ended. A refusal is an answer (out of stock, declined): it is not retried, it is compensated. */
export type StepOutcome = { readonly done: unknown } | { readonly refused: Refusal };

export interface Refusal {
  /** For programs: `out-of-stock`. */
  readonly reason: string;
  /** For people. */
  readonly detail?: string;
  readonly data?: unknown;
}

export interface StepContext<Input = unknown> {
  readonly sagaId: string;
  readonly input: Input;
  /** Results of the remote steps already done, by name. What a local step makes is in the service's own tables. */
  readonly results: Readonly<Record<string, unknown>>;
  /** Business key of this step of this saga: the same at every attempt, by whichever instance. */
  readonly key: string;
  /** 1 for the first try by this instance. Another may have tried before. */
  readonly attempt: number;
  /** Aborts when the step's time is up or the instance stops. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

interface StepCommon<Input> {
  readonly name: string;
  /**
   * Undoes the step; must be idempotent, and must also work when the step was never done or its outcome is unknown
   * (it then leaves word that the step may not happen any more). Retried until it succeeds; a definite refusal leaves
   * the saga stuck, for people to look at.
   */
  readonly compensate?: (context: StepContext<Input>) => Promise<void>;
  /** One attempt may take this long. Default 5,000 ms. */
  readonly timeoutMs?: number;
  readonly retry?: StepRetry;
}

export interface StepRetry {
  /** Delay before the second attempt; doubles each time, with full jitter. Default 50 ms. */
  readonly delayMs?: number;
  /** Default 10,000 ms. */
  readonly delayMsMax?: number;
  /**
   * After this a remote step counts as refused (reason `gave-up`) and is compensated, unless the pivot is past. Two are
   * never given up: a local step, whose own database has to come back for anything to be recorded at all, and a pivot
   * that nothing can undo, because it may have happened. Counted anew by an instance that takes over. Default 15 min.
   */
  readonly giveUpAfterMs?: number;
}

/**
 * Talks to another service. Its outcome may be unknown, so the call must be idempotent by `context.key`: a repeat, by
 * whichever instance and however late, has no second effect and gets the first answer.
 *
 * What `run` throws is an unknown outcome and is tried again, except an error with `retry: 'never'` whose category is an
 * answer (`input`, `auth`, `conflict`): that is a refusal.
 */
export interface RemoteStep<Input> extends StepCommon<Input> {
  readonly kind: 'remote';
  readonly run: (context: StepContext<Input>) => Promise<StepOutcome>;
}

/**
 * Changes the service's own database. `progress` is the saga's record as it will be once the step is done, and must be
 * written (`writeSagas`) in the very transaction of the change: the two are one fact. The change may be made only where
 * `writeSagas` says `written`; where it says `stands`, an attempt that seemed to fail had made it. Its result is not
 * kept.
 */
export interface LocalStep<Input> extends StepCommon<Input> {
  readonly kind: 'local';
  readonly run: (context: StepContext<Input>, progress: SagaRecord) => Promise<StepOutcome>;
}

/**
 * Sleeps durably: the saga lies in the database, owned by nobody, and any instance takes it up when it is due, by the
 * clock of the database. It may be late by a quarter of the lease.
 */
export interface WaitStep<Input> extends StepCommon<Input> {
  readonly kind: 'wait';
  readonly delayMs: (input: Input) => number;
}

export type Step<Input> = RemoteStep<Input> | LocalStep<Input> | WaitStep<Input>;

/**
 * A saga as data (Garcia-Molina and Salem 1987): steps in order, each with what undoes it. Steps up to the pivot can be
 * compensated; those after it go forward only and are retried until they succeed.
 */
export interface SagaDefinition<Input = unknown> {
  readonly name: string;
  /** Raise it when steps change. Instances run only versions they know; old sagas end under the old definition. */
  readonly version: number;
  readonly steps: readonly Step<Input>[];
  /**
   * Name of the step whose success can't be undone. Default: the last step. `null`: nothing can be undone from the
   * start, the saga only goes forward.
   */
  readonly pivot?: string | null;
  /** Records the refusal in the service's own database, in one transaction with `progress`. */
  readonly onRefused?: (context: StepContext<Input>, refusal: Refusal, progress: SagaRecord) => Promise<void>;
}

export function defineSaga<Input>(definition: SagaDefinition<Input>): SagaDefinition<Input> {
  const names = new Set(definition.steps.map((step) => step.name));
  if (names.size !== definition.steps.length) throw new Error(`saga ${definition.name}: two steps share a name`);
  if (definition.steps.length === 0) throw new Error(`saga ${definition.name}: no steps`);
  if (typeof definition.pivot === 'string' && !names.has(definition.pivot)) {
    throw new Error(`saga ${definition.name}: the pivot ${definition.pivot} is not one of its steps`);
  }
  return definition;
}

/** Index of the step whose success can't be undone. */
export function pivotOf(definition: SagaDefinition<never>): number {
  if (definition.pivot === null) return -1;
  if (definition.pivot === undefined) return definition.steps.length - 1;
  return definition.steps.findIndex((step) => step.name === definition.pivot);
}

/**
 * Index of the last step from which a saga can still turn round while the step is under way: the pivot, unless that is a
 * remote step that nothing undoes, since it may have happened already.
 */
export function turningPointOf(definition: SagaDefinition<never>): number {
  const pivot = pivotOf(definition);
  const step = definition.steps[pivot];
  return step?.kind === 'remote' && !step.compensate ? pivot - 1 : pivot;
}
