import type { Clock, Random } from '#kit/runtime';
import type {
  Aside,
  Attributes,
  AttributeValue,
  HopBefore,
  PastSpan,
  Span,
  SpanKind,
  SpanParent,
  Telemetry,
} from './port.ts';
import { describeError, redactField } from './redact.ts';
import { formatTraceparent, parseTraceparent, type TraceContext } from './traceparent.ts';

/** A span that has ended, as plain data. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** Wall time with fractions, on this process's clock. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly SpanEvent[];
  /** What went wrong, if it did. */
  readonly error: string | undefined;
}

export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface TracingOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Share of new traces that are recorded. Traces begun elsewhere keep the decision made there. */
  readonly sampleRatio: number;
  /** Of requests from outside, by name, so many a second are recorded whatever the ratio says. */
  readonly samplePerSec?: number;
  readonly onEnd: (span: SpanRecord) => void;
}

/**
 * Traces aside begin so. Trace Context Level 2 asks for chance in the last 14 digits alone, so the first may say something (as
 * those of AWS X-Ray tell the time), and no header of our own has to travel with each call. By chance one in four thousand
 * million others begins so, too.
 */
const asidePrefix = 'a51de000';
export const isAside = (traceId: string): boolean => traceId.startsWith(asidePrefix);

/** Whether a new trace begins there. */
export const isRoot = (given: SpanParent): given is HopBefore | Aside =>
  typeof given === 'object' && ('hop' in given || 'aside' in given);

/** Bounds of one span, so that a loop can't make it grow for ever. */
const attributesMax = 64;
const eventsMax = 32;
const attributeCharsMax = 1_000;

export type Tracing = Pick<Telemetry, 'span' | 'newSpanId' | 'record'>;

export function createTracing(options: TracingOptions): Tracing {
  const { clock, random, sampleRatio, samplePerSec = 0, onEnd } = options;
  const newHex = hexSource(random);
  const isAmongFirst = firstOfEachSecond(clock, samplePerSec);
  // Spans of a process share one anchor of wall time, so that they line up to the microsecond.
  const anchorMs = clock.now() - clock.monotonicMs();
  const nowMs = () => anchorMs + clock.monotonicMs();

  function span(name: string, given: SpanParent, attributes?: Attributes, kind: SpanKind = 'internal'): Span {
    const root = isRoot(given) ? given : undefined;
    const parent = root === undefined ? (given as Span | string | undefined) : undefined;
    // The ordinary case: under an unsampled span nothing is recorded, so all its children can be that span.
    if (parent !== undefined && typeof parent !== 'string' && !parent.recording) return parent;
    const context = parseTraceparent(typeof parent === 'string' ? parent : (parent?.traceparent ?? ''));
    if (context && !context.sampled) return new PassingSpan(context.traceId, parent as string);
    const prefix = root !== undefined && 'aside' in root && root.aside ? asidePrefix : '';
    const traceId = context?.traceId ?? prefix + newHex(32 - prefix.length);
    const own: TraceContext = {
      traceId,
      spanId: newHex(16),
      sampled: context !== undefined || random.next() < sampleRatio || (kind === 'server' && isAmongFirst(name)),
    };
    if (!own.sampled) return new PassingSpan(traceId, formatTraceparent(own));
    return new RecordingSpan(own, context?.spanId ?? root?.hop, name, kind, attributes, nowMs, onEnd);
  }

  function record({ parentSpanId, name, kind, startMs, endMs, attributes, error, ...ids }: PastSpan): void {
    // Its clock stands where the span began, and then where it ended.
    let atMs = startMs;
    const own = { ...ids, sampled: true };
    const past = new RecordingSpan(own, parentSpanId, name, kind, attributes, () => anchorMs + atMs, onEnd);
    if (error !== undefined) past.fail(error);
    atMs = endMs;
    past.end();
  }

  return { span, newSpanId: () => newHex(16), record };
}

/** A span that is not sampled: passes the trace on, so that ids in logs agree, and records nothing. */
class PassingSpan implements Span {
  readonly recording = false;
  readonly traceId: string;
  readonly traceparent: string;

  constructor(traceId: string, traceparent: string) {
    this.traceId = traceId;
    this.traceparent = traceparent;
  }
  set(): void {}
  event(): void {}
  fail(): void {}
  end(): void {}
}

class RecordingSpan implements Span {
  readonly recording = true;
  readonly traceId: string;
  readonly traceparent: string;
  readonly #context: TraceContext;
  readonly #parentSpanId: string | undefined;
  readonly #name: string;
  readonly #kind: SpanKind;
  readonly #startMs: number;
  readonly #nowMs: () => number;
  readonly #attributes: Record<string, AttributeValue> = {};
  readonly #events: SpanEvent[] = [];
  #attributeCount = 0;
  #error: string | undefined;
  /** Undefined once the span has ended. */
  #onEnd: ((span: SpanRecord) => void) | undefined;

  constructor(
    context: TraceContext,
    parentSpanId: string | undefined,
    name: string,
    kind: SpanKind,
    attributes: Attributes | undefined,
    nowMs: () => number,
    onEnd: (span: SpanRecord) => void,
  ) {
    this.traceId = context.traceId;
    this.traceparent = formatTraceparent(context);
    this.#context = context;
    this.#parentSpanId = parentSpanId;
    this.#name = name;
    this.#kind = kind;
    this.#nowMs = nowMs;
    this.#onEnd = onEnd;
    this.#startMs = nowMs();
    if (attributes) for (const key in attributes) this.#put(key, attributes[key]);
  }

  set(name: string, value: AttributeValue): void {
    if (this.#onEnd) this.#put(name, value);
  }

  event(name: string, attributes?: Attributes): void {
    if (!this.#onEnd || this.#events.length >= eventsMax) return;
    const kept: Record<string, AttributeValue> = {};
    for (const key in attributes) {
      const value = attributes[key];
      if (value !== undefined) kept[key] = clean(key, value);
    }
    this.#events.push({ name, atMs: this.#nowMs(), attributes: kept });
  }

  fail(error: unknown): void {
    if (!this.#onEnd) return;
    this.#error = describeError(error).slice(0, attributeCharsMax);
    const { category, code } = (error ?? {}) as { category?: unknown; code?: unknown };
    if (typeof category === 'string') this.#put('error.category', category);
    this.#put('error.type', typeof code === 'string' ? code : error instanceof Error ? error.name : typeof error);
  }

  end(): void {
    const onEnd = this.#onEnd;
    if (!onEnd) return;
    this.#onEnd = undefined;
    onEnd({
      traceId: this.traceId,
      spanId: this.#context.spanId,
      parentSpanId: this.#parentSpanId,
      name: this.#name,
      kind: this.#kind,
      startMs: this.#startMs,
      durationMs: this.#nowMs() - this.#startMs,
      attributes: this.#attributes,
      events: this.#events,
      error: this.#error,
    });
  }

  #put(name: string, value: AttributeValue | undefined): void {
    if (value === undefined) return;
    if (!(name in this.#attributes)) {
      if (this.#attributeCount >= attributesMax) return;
      this.#attributeCount++;
    }
    this.#attributes[name] = clean(name, value);
  }
}

function clean(name: string, value: AttributeValue): AttributeValue {
  const cleaned = redactField(name, value) as AttributeValue;
  return typeof cleaned === 'string' && cleaned.length > attributeCharsMax
    ? cleaned.slice(0, attributeCharsMax)
    : cleaned;
}

/** Names are routes, so they are few; should they not be, all beyond share one allowance. */
const namesMax = 500;

/**
 * True for the first `perSec` of a name in each second: what is rare is always recorded, and what is frequent can't crowd it
 * out (the reservoir of AWS X-Ray's sampling rules, one for each name).
 */
function firstOfEachSecond({ monotonicMs }: Clock, perSec: number): (name: string) => boolean {
  if (perSec === 0) return () => false;
  const taken = new Map<string, { second: number; count: number }>();
  return (name) => {
    const key = taken.has(name) || taken.size < namesMax ? name : '';
    const second = Math.floor(monotonicMs() / 1_000);
    const own = taken.get(key);
    if (own?.second === second) return ++own.count <= perSec;
    taken.set(key, { second, count: 1 });
    return true;
  };
}

/** Hexadecimal digits of chance, drawn in bulk: a system call per id would cost more than the span. */
function hexSource(random: Random): (length: number) => string {
  const poolBytes = 1_536;
  let pool = '';
  let used = 0;
  return (length) => {
    if (used + length > pool.length) {
      pool = Buffer.from(random.bytes(poolBytes)).toString('hex');
      used = 0;
    }
    used += length;
    const hex = pool.slice(used - length, used);
    // All zeros is the one invalid id; it comes up never, but the standard forbids it.
    return /^0+$/.test(hex) ? `${hex.slice(1)}1` : hex;
  };
}
