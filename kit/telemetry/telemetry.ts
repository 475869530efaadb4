import type { Clock, Component, Logger, Random } from '#kit/runtime';
import { type CollectedMetric, createMetrics } from './metrics.ts';
import { createOtlpExport, type Export, type OtlpOptions } from './otlp.ts';
import type { Telemetry } from './port.ts';
import { renderPrometheus } from './prometheus.ts';
import { createSpanStore, type SpanStore } from './span-store.ts';
import { createTracing, isAside, type SpanRecord } from './tracing.ts';

export interface TelemetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `service.name` of everything this process reports. */
  readonly service: string;
  /** `service.instance.id`: which of several running copies. */
  readonly instance?: string;
  /**
   * Share of traces begun here that are recorded. Default 0.05. The decision is made at the head, before anyone knows
   * how the trace will end: failures can't be recorded always. 1 records everything, at some 2 µs a span.
   */
  readonly sampleRatio?: number;
  /**
   * Besides, so many a second are recorded of each name of a request from outside (`server`, with no parent): what is rare
   * is always there to be looked at, what is frequent costs no more than this and the ratio. Default 0.
   */
  readonly samplePerSec?: number;
  /** Spans kept in memory for a look. Default 2,000, about 1 kB each; of traces aside a quarter more. */
  readonly spansMax?: number;
  /** Takes each recorded span but those of traces aside as a line of JSON, to keep beyond this process (`createSegments`). Default: nothing does. */
  readonly spansKept?: { append(line: string): void };
  /** Series of one metric. Default 1,000. */
  readonly seriesMax?: number;
  /** Where recorded traces are sent. Default: nowhere. */
  readonly otlp?: OtlpOptions;
}

/** Telemetry as the host sees it: what services use, plus collecting, looking and sending. */
export interface TelemetryHost extends Telemetry, Component {
  readonly spans: Pick<SpanStore, 'trace' | 'recent'>;
  /** All metrics as they stand. */
  metrics(): readonly CollectedMetric[];
  /** The page that Prometheus scrapes. */
  metricsText(): Promise<string>;
}

export function createTelemetry(options: TelemetryOptions): TelemetryHost {
  const { clock, random, log, service, instance, sampleRatio = 0.05, spansMax = 2_000, seriesMax, otlp } = options;
  const { samplePerSec = 0, spansKept } = options;
  if (!(sampleRatio >= 0 && sampleRatio <= 1))
    throw new RangeError(`sampleRatio must be from 0 to 1, not ${sampleRatio}`);
  const resource = { 'service.name': service, ...(instance === undefined ? {} : { 'service.instance.id': instance }) };
  const metrics = createMetrics(seriesMax === undefined ? {} : { seriesMax });
  const spans = createSpanStore(spansMax);
  let sending: Export<SpanRecord> | undefined;
  const tracing = createTracing({
    clock,
    random,
    sampleRatio,
    samplePerSec,
    onEnd(record) {
      spans.add(record);
      if (!isAside(record.traceId)) spansKept?.append(JSON.stringify(record));
      sending?.add(record);
    },
  });

  return {
    name: 'telemetry',
    ...tracing,
    counter: metrics.counter,
    histogram: metrics.histogram,
    gauge: metrics.gauge,
    tally: metrics.tally,
    spans,
    metrics: metrics.collect,
    metricsText: () => renderPrometheus(metrics.collect(), resource, clock.now()),
    async start() {
      if (otlp) sending = await createOtlpExport(otlp, resource);
    },
    async stop() {
      const last = sending;
      sending = undefined;
      // A trace back end that is down must not keep a shop from closing.
      await last?.stop().catch((error) => log.warn('the last traces could not be sent', { error }));
    },
  };
}
