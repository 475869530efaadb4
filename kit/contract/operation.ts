import type { Static, TSchema } from 'typebox';
import type { ProblemTable } from './problem.ts';

/** Who may call an operation. `anonymous` includes everyone. `service` is another service of this system. */
export type Access = 'anonymous' | 'customer' | 'staff' | 'admin' | 'service';

/** What a read promises about age; what a write promises about order (REQUIREMENTS R1). */
export type Consistency = 'strong' | 'session' | 'causal' | 'eventual';

/** What is refused last when there is too much to do: `critical` work after all else. */
export type Priority = 'critical' | 'normal' | 'low';

/** Which instance takes a call. */
export type Balancing =
  /** The less loaded of two drawn by chance: nearly as good as knowing them all (Mitzenmacher 2001), and no herd. */
  | { readonly kind: 'least-loaded' }
  | { readonly kind: 'round-robin' }
  /**
   * The same instance for the same value of a request header or path parameter, as long as it is there: for caches that
   * should be warm (consistent hash) and for clients that should stay (sticky). Without a value: least loaded.
   */
  | { readonly kind: 'hash'; readonly header: string }
  | { readonly kind: 'hash'; readonly parameter: string };

/** How an operation is called from another process. A topology may say otherwise for its own. */
export interface CallPolicy {
  /** Longest time for one try; then another instance is tried. Default `deadlineMs`, or 2,000 ms where there is none. */
  readonly tryTimeoutMs?: number;
  /** Tries in all, the repeats within the retry budget. Default 3. 1: never repeated. */
  readonly triesMax?: number;
  /** A second try beside a slow first one. For idempotent reads only. Default false. */
  readonly hedge?: boolean;
  /** Calls of it under way from one process at a time. Default 128 between processes. */
  readonly concurrencyMax?: number;
  /** Default: the less loaded of two. */
  readonly balancing?: Balancing;
}

/** A header that an operation reads, besides Idempotency-Key and If-Match, which follow from what else is said of it. */
export interface HeaderDescription {
  readonly description: string;
  /** Without it the operation is refused. */
  readonly required: boolean;
}

export interface OperationDescription {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{name}` for path parameters, as in OpenAPI. */
  readonly path: string;
  readonly summary: string;
  readonly access: readonly Access[];
  /**
   * Services whose processes may call this over the mesh, by their certificates. The public door needs no mention where
   * `access` lets people in. Default: nobody else.
   */
  readonly callers?: readonly string[];
  /** Default `normal`. Inherited by what it calls, unless that matters more. */
  readonly priority?: Priority;
  readonly calls?: CallPolicy;
  /**
   * `ignored`: the public door doesn't look at the Authorization header. For operations that bring their own proof
   * (signing in, refreshing a token): a stale access token in the request must not keep the caller from renewing it.
   */
  readonly identity?: 'ignored';
  readonly params?: TSchema;
  readonly query?: TSchema;
  /** By name. They come to the handler in the context, by their names in lower case. */
  readonly headers?: Readonly<Record<string, HeaderDescription>>;
  readonly body?: TSchema;
  /** Body schema by status. */
  readonly responses: Readonly<Record<number, TSchema>>;
  /** Problem codes beyond those that every operation may answer. */
  readonly problems?: readonly string[];
  /** `required`: refused without an Idempotency-Key. Default: `natural` (the operation is idempotent as it is). */
  readonly idempotency?: 'required' | 'natural';
  /** The change needs If-Match with the ETag that was read. */
  readonly conditional?: boolean;
  readonly consistency?: Consistency;
  /** How long a caller waits by default, in ms. Default 2000 between services, 5000 at the public door. */
  readonly deadlineMs?: number;
  /** Largest body in bytes. Default 256 KiB. */
  readonly bodySizeBytesMax?: number;
  /** `ndjson`: request or reply is a stream of JSON lines (an async iterable of values in code). */
  readonly stream?: 'request' | 'reply';
  /** The body reaches the handler as the text that was sent, for signatures over it. */
  readonly rawBody?: boolean;
  /** It will go. The public door says so with each answer, OpenAPI too. Dates as RFC 3339. */
  readonly deprecated?: { readonly deprecatedAt: string; readonly sunsetAt?: string; readonly see?: string };
}

export interface ServiceContract<
  Operations extends Readonly<Record<string, OperationDescription>> = Readonly<Record<string, OperationDescription>>,
> {
  readonly service: string;
  readonly operations: Operations;
  readonly problems?: ProblemTable<string>;
}

/** Describes a service once; server, client and documentation are made from it. */
export function defineService<const Operations extends Readonly<Record<string, OperationDescription>>>(
  contract: ServiceContract<Operations>,
): ServiceContract<Operations> {
  return contract;
}

type StaticOf<Schema> = Schema extends TSchema ? Static<Schema> : undefined;
/** Query and params come as an empty object where the contract names none. */
type ObjectOf<Schema> = Schema extends TSchema ? Static<Schema> : Record<string, never>;

/** What a handler gets. */
export interface Input<O extends OperationDescription> {
  readonly params: ObjectOf<O['params']>;
  readonly query: ObjectOf<O['query']>;
  readonly body: O['stream'] extends 'request' ? AsyncIterable<unknown> : StaticOf<O['body']>;
}

/** What a handler gives back: one of the contract's statuses with its body. */
export type Output<O extends OperationDescription> = {
  [Status in keyof O['responses'] & number]: {
    readonly status: Status;
    readonly body: O['stream'] extends 'reply' ? AsyncIterable<unknown> : StaticOf<O['responses'][Status]>;
    readonly headers?: Readonly<Record<string, string>>;
  };
}[keyof O['responses'] & number];
