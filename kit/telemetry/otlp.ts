import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { SpanKind } from './port.ts';
import type { SpanRecord } from './tracing.ts';

export interface OtlpOptions {
  /**
   * The collector that takes OTLP over HTTP with JSON, for example `http://127.0.0.1:4318`: traces go to `/v1/traces` there,
   * log lines to `/v1/logs`. With `/v1/traces` at its end it means the same.
   */
  readonly url: string;
  /** For example an API key of the back end. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Spans, and log lines, waiting to be sent; more are dropped. Default 2,048. */
  readonly queueMax?: number;
  /** How often what waits is sent. Default 5,000 ms. */
  readonly periodMs?: number;
  /** Default 10,000 ms. */
  readonly timeoutMs?: number;
}

/** What leaves in batches, beside the work. */
export interface Export<Item> {
  add(item: Item): void;
  /** Sends what waits. */
  stop(): Promise<void>;
}

/**
 * Sends spans through OpenTelemetry's own batch processor and exporter. Both keep time by themselves, so this is for
 * the real world only; they are loaded when an address is configured.
 */
export async function createOtlpExport(
  options: OtlpOptions,
  resource: Readonly<Record<string, string>>,
): Promise<Export<SpanRecord>> {
  const [{ OTLPTraceExporter }, { BatchSpanProcessor }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
  ]);
  const processor = new BatchSpanProcessor(
    new OTLPTraceExporter(otlpExporter(options, 'traces')),
    otlpBatches(options),
  );
  const attributes = resourceFromAttributes(resource);
  return {
    add: (span) => processor.onEnd(toReadableSpan(span, attributes)),
    stop: () => processor.shutdown(),
  };
}

/** The address of one kind of signals, and how it is sent there. */
export function otlpExporter({ url, headers = {}, timeoutMs = 10_000 }: OtlpOptions, signals: 'traces' | 'logs') {
  const base = url.replace(/\/+$/, '').replace(/\/v1\/traces$/, '');
  return { url: `${base}/v1/${signals}`, headers: { ...headers }, timeoutMillis: timeoutMs };
}

export function otlpBatches({ queueMax = 2_048, periodMs = 5_000, timeoutMs = 10_000 }: OtlpOptions) {
  return {
    maxQueueSize: queueMax,
    maxExportBatchSize: Math.min(512, queueMax),
    scheduledDelayMillis: periodMs,
    exportTimeoutMillis: timeoutMs,
  };
}

// Values of OpenTelemetry's enums (opentelemetry.io/docs/specs/otel/trace/api), without loading it.
const kinds: Readonly<Record<SpanKind, number>> = { internal: 0, server: 1, client: 2, producer: 3, consumer: 4 };
const statusUnset = 0;
const statusError = 2;
const flagSampled = 1;

function toReadableSpan(span: SpanRecord, resource: ReadableSpan['resource']): ReadableSpan {
  const context = (spanId: string) => ({ traceId: span.traceId, spanId, traceFlags: flagSampled });
  return {
    name: span.name,
    kind: kinds[span.kind],
    spanContext: () => context(span.spanId),
    ...(span.parentSpanId ? { parentSpanContext: context(span.parentSpanId) } : {}),
    startTime: highResolution(span.startMs),
    endTime: highResolution(span.startMs + span.durationMs),
    duration: highResolution(span.durationMs),
    status: span.error === undefined ? { code: statusUnset } : { code: statusError, message: span.error },
    attributes: span.attributes,
    events: span.events.map(({ name, atMs, attributes }) => ({ name, time: highResolution(atMs), attributes })),
    links: [],
    ended: true,
    resource,
    instrumentationScope: { name: 'holdfast' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
export function highResolution(timeMs: number): [number, number] {
  const seconds = Math.floor(timeMs / 1_000);
  return [seconds, Math.round((timeMs - seconds * 1_000) * 1_000_000)];
}
