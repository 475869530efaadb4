import type { IsolationLevel } from '../elle/index.ts';
import type { Sections } from './sections.ts';

/** One attempt of a client, as the client lived it. A repeat under the same key is another operation. */
export interface Operation {
  readonly id: string;
  /** Who did it. A process does one thing at a time. */
  readonly process: string;
  /** To whom answers must be consistent with one another: a customer's session, a buyer and their order. */
  readonly session: string;
  /** What was asked for: README.md lists the kinds that checks know. */
  readonly kind: string;
  /** The one object it is about. */
  readonly key?: string | undefined;
  /** Under which a repeat is the same business operation. */
  readonly idempotencyKey?: string | undefined;
  readonly input?: unknown;
  /** Milliseconds on the clock of whoever recorded it: one clock for all. */
  readonly startMs: number;
  /** When the answer came, or nothing more was to be hoped for. Infinity: it was never heard of again. */
  readonly endMs: number;
  readonly outcome: Outcome;
}

export type Outcome =
  /** An answer. `status` 202: not decided yet. */
  | {
      readonly type: 'ok';
      readonly value?: unknown;
      readonly status?: number | undefined;
      /** Of the object, as this answer saw or made it. */
      readonly version?: number | undefined;
      /** Hybrid logical time of the answer, as text that sorts (kit/clock). */
      readonly hlc?: string | undefined;
    }
  /** It was refused, and had no effect. */
  | { readonly type: 'fail'; readonly problem?: string | undefined; readonly status?: number | undefined }
  /** Nobody knows: a time-out, a broken connection, a crash. */
  | { readonly type: 'info'; readonly problem?: string | undefined };

/** All that a run left behind for checkers: what clients saw, and the sections of the final state that were read. */
export interface Evidence extends Partial<Sections> {
  readonly operations: readonly Operation[];
  /** The level that transactions of kind `transaction` were promised. Default `serializable`. */
  readonly isolation?: IsolationLevel | undefined;
}
