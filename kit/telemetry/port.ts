/** Values of span attributes. Objects don't belong there: they are for logs. */
export type AttributeValue = string | number | boolean;
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** `server` and `consumer` begin the work of a hop, `client` and `producer` hand work on. */
export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/**
 * A piece of work with a beginning and an end, in a tree that reaches across services. Passed on explicitly: as a
 * parent within a process, as `traceparent` between them.
 */
export interface Span {
  /** W3C Trace Context for children elsewhere: goes into request headers and event envelopes. */
  readonly traceparent: string;
  readonly traceId: string;
  /** False for the many spans that are not sampled: build costly attributes only when it is true. */
  readonly recording: boolean;
  set(name: string, value: AttributeValue): void;
  /** Something that happened at a moment within the work. */
  event(name: string, attributes?: Attributes): void;
  /** The work failed. The span still has to be ended. */
  fail(error: unknown): void;
  /** Ends the work. Later calls of any method change nothing. */
  end(): void;
}

/**
 * Where a new span belongs: under a span, under what came in `traceparent`, under a hop that waits, or at the root of a new
 * trace, which may be one aside.
 */
export type SpanParent = Span | string | HopBefore | Aside | undefined;

/** A hop before us that leaves it to us whether there is a trace: ours begins it, and the hop's span, should it come, is above. */
export interface HopBefore {
  readonly hop: string;
}

/**
 * A new trace of what looks at the others or of upkeep: kept beside them and not in files, so that it pushes none of them out,
 * however much of it there is. Every process sees it by the id of the trace.
 */
export interface Aside extends Partial<HopBefore> {
  readonly aside: boolean;
}

/** A span of the past: of whoever learns only afterwards which trace its work belonged to, and that it is recorded. */
export interface PastSpan {
  readonly traceId: string;
  /** Of `newSpanId`, told to others when it began. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** Both by this process's monotonic clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly error?: unknown;
}

/** Values by label. Only what has few values: operations, outcomes, services. Never ids. */
export type Labels<Name extends string = string> = Readonly<Record<Name, string>>;

export interface Counter<Name extends string = string> {
  /** Adds `amount` (default 1, never negative). */
  add(labels: Labels<Name>, amount?: number): void;
  /** One series looked up once, for hot paths. */
  series(labels: Labels<Name>): { add(amount?: number): void };
}

export interface Histogram<Name extends string = string> {
  /** In the base unit of its name: seconds, bytes. */
  observe(labels: Labels<Name>, value: number): void;
  /** One series looked up once, for hot paths. */
  series(labels: Labels<Name>): { observe(value: number): void };
}

export interface MetricDescription<Name extends string = string> {
  /** Prometheus naming: snake case, base unit, counters end in `_total`. */
  readonly name: string;
  /** One sentence for who reads the dashboard. */
  readonly help: string;
  readonly labels?: readonly Name[];
}

export interface HistogramDescription<Name extends string = string> extends MetricDescription<Name> {
  /** Upper bounds of the buckets, ascending. Default: 1 ms to 10 s, or 64 B to 16 MiB for names in bytes. */
  readonly buckets?: readonly number[];
}

/** What a gauge reads: one value, or one for each combination of labels. */
export type GaugeReading<Name extends string = string> =
  | number
  | readonly { readonly labels: Labels<Name>; readonly value: number }[];

/** What services see of telemetry. */
export interface Telemetry {
  span(name: string, parent: SpanParent, attributes?: Attributes, kind?: SpanKind): Span;
  newSpanId(): string;
  /** Takes a span that has begun and ended already. */
  record(span: PastSpan): void;
  counter<const Name extends string = never>(description: MetricDescription<Name>): Counter<Name>;
  histogram<const Name extends string = never>(description: HistogramDescription<Name>): Histogram<Name>;
  /**
   * `read` is called when metrics are collected; it must be quick and not throw. Several parts may read a series each of
   * one gauge; of two that read the same series, the later registered counts.
   */
  gauge<const Name extends string = never>(description: MetricDescription<Name>, read: () => GaugeReading<Name>): void;
  /** A counter that something else keeps: as `gauge`, but what is read only grows. */
  tally<const Name extends string = never>(description: MetricDescription<Name>, read: () => GaugeReading<Name>): void;
}
