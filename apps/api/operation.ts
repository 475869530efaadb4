import type { Static, TSchema } from 'typebox';

/** An operation of a contract, as far as a caller needs it. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly access?: readonly string[];
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly responses?: Readonly<Record<number, TSchema>>;
  readonly idempotency?: 'required' | 'natural';
  readonly conditional?: boolean;
  readonly deadlineMs?: number;
  readonly stream?: 'request' | 'reply';
}

/** What the contracts of `#contracts/…` are: with their types here, as bare tables in a bundle. */
export interface Contract {
  readonly service: string;
  readonly operations: Readonly<Record<string, Operation>>;
}

type Part<Name extends 'params' | 'query' | 'body', O> = O extends { readonly [Key in Name]: infer Schema }
  ? Schema extends TSchema
    ? Partial<Static<Schema>> extends Static<Schema>
      ? { readonly [Key in Name]?: Static<Schema> }
      : { readonly [Key in Name]: Static<Schema> }
    : unknown
  : unknown;

type IfMatch<O> = O extends { readonly conditional: true }
  ? /** The ETag of what was read: the change is refused when somebody else was faster. */ { readonly ifMatch: string }
  : unknown;

interface CallOptions {
  /**
   * The Idempotency-Key. Whoever may have to repeat a call after a reload or a lost reply keeps the key first and passes
   * it; without one, a key is made that lives as long as this call.
   */
  readonly key?: string;
  readonly signal?: AbortSignal;
  /** How long to wait for an answer. Default: the operation's deadline and a little more. */
  readonly timeoutMs?: number;
  /** Seconds after which an operation may answer 202 instead of waiting for the end (`Prefer: wait`). */
  readonly waitSec?: number;
}

/** What a call takes. */
export type CallInput<O> = Part<'params', O> & Part<'query', O> & Part<'body', O> & IfMatch<O> & CallOptions;

/** What a call resolves with: one of the contract's statuses and its body. */
export type Answer<O> = O extends { readonly responses: infer Responses }
  ? {
      [Status in keyof Responses & number]: {
        readonly status: Status;
        readonly body: Responses[Status] extends TSchema ? Static<Responses[Status]> : undefined;
        /** To send as `ifMatch` with a change, where the reply has one. */
        readonly etag?: string;
      };
    }[keyof Responses & number]
  : never;

/** A stream of values where the operation streams its reply, else one answer. */
export type Call<O> = O extends { readonly stream: 'reply'; readonly responses: { readonly 200: infer Schema } }
  ? (input: CallInput<O>) => AsyncIterable<Schema extends TSchema ? Static<Schema> : never>
  : Record<never, never> extends CallInput<O>
    ? (input?: CallInput<O>) => Promise<Answer<O>>
    : (input: CallInput<O>) => Promise<Answer<O>>;

/** One function an operation, as the contract types it. */
export type Calls<C extends Contract> = { readonly [Name in keyof C['operations']]: Call<C['operations'][Name]> };
