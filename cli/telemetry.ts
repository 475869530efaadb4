import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { AdaptiveLimit, BreakerEvent, Bulkhead, PolicyEvent } from '#kit/resilience';
import type { Component, World } from '#kit/runtime';
import type { PooledDatabase } from '#kit/store';
import {
  addProcessMetrics,
  createTelemetry,
  type GaugeReading,
  type MetricDescription,
  type TelemetryHost,
} from '#kit/telemetry';
import type { ComposedPart, ComposedService } from './compose.ts';
import { keep } from './kept.ts';
import { type Readings, readingsOf } from './system-view.ts';

/** What a process may be told about its telemetry. */
export interface TelemetryConfig {
  /**
   * Share of requests whose whole way is recorded, from 0 to 1, besides the first 5 a second of each kind. Default 0.01;
   * 0 records none at all.
   */
  readonly traceRatio?: number;
  /** Where traces and log lines are sent by OTLP over HTTP besides: `http://127.0.0.1:4318`. Default: nowhere. */
  readonly otlpUrl?: string;
}

/**
 * A shop with little to do is recorded whole, one with much to do little: at 1,000 requests a second of one kind, 15 a
 * second. A span costs 2 µs to record and 3 to keep.
 */
const traceRatioDefault = 0.01;
const tracesPerSec = 5;

/** The telemetry of one process, and what it measures of its parts. */
export interface ProcessTelemetry {
  readonly telemetry: TelemetryHost;
  readonly component: Component;
  /** A gauge that has to be asked for: read when somebody looks, so that it costs nothing otherwise. */
  sample<const Name extends string>(
    description: MetricDescription<Name>,
    read: () => Promise<GaugeReading<Name>>,
  ): void;
  watchPool(database: PooledDatabase): void;
  /** For `onEvent` of the transport between services. */
  onCallEvent(callee: string, event: PolicyEvent | BreakerEvent): void;
  /** For `onBulkhead` of the same. */
  watchBulkhead(callee: string, operation: string, bulkhead: Bulkhead, concurrencyMax: number): void;
  /** What a service takes on, found out by itself. */
  watchLimit(service: string, limit: AdaptiveLimit): void;
  /** The page that Prometheus scrapes. */
  metricsPage(): Promise<string>;
  /** The same numbers, summed up for the console. */
  readings(): Promise<Readings>;
}

/** A reading that takes longer than this is left out of the page. */
const sampleTimeoutMs = 1_000;
const loopLagResolutionMs = 20;

/** `dataDir`: where recorded spans are kept; without it, in memory only. */
export function createProcessTelemetry(
  world: World,
  processName: string,
  { traceRatio = traceRatioDefault, otlpUrl }: TelemetryConfig,
  dataDir?: string,
): ProcessTelemetry {
  const spansKept = dataDir === undefined ? undefined : keep(dataDir, processName, 'spans');
  const telemetry = createTelemetry({
    ...world,
    service: 'holdfast',
    instance: processName,
    sampleRatio: traceRatio,
    ...(traceRatio === 0 ? {} : { samplePerSec: tracesPerSec }),
    ...(spansKept ? { spansKept } : {}),
    ...(otlpUrl === undefined ? {} : { otlp: { url: otlpUrl } }),
  });
  addProcessMetrics(telemetry);
  telemetry.tally(
    { name: 'holdfast_kept_spans_dropped_total', help: 'Spans that were not kept: the disk was too slow or full.' },
    () => spansKept?.dropped ?? 0,
  );
  const loopLag = measureLoopLag(telemetry);
  const samplers: (() => Promise<void>)[] = [];
  const onCallEvent = measureCallEvents(telemetry);
  const pools = new Map<string, PooledDatabase>();
  measurePools(telemetry, pools);
  const startedAt = new Date(world.clock.now()).toISOString();

  /** Asks for what has to be asked for, as long as there is time. */
  async function takeSamples(): Promise<void> {
    const enough = new AbortController();
    const timeout = world.timers.sleep(sampleTimeoutMs, enough.signal).catch(() => {});
    await Promise.race([Promise.allSettled(samplers.map((sample) => sample())), timeout]);
    enough.abort();
  }

  return {
    telemetry,
    component: {
      name: 'telemetry',
      async start() {
        loopLag.enable();
        await telemetry.start?.();
      },
      async stop() {
        loopLag.disable();
        await telemetry.stop?.();
        await spansKept?.done();
      },
    },
    sample(description, read) {
      let last: GaugeReading<never> | undefined;
      telemetry.gauge(description, () => (last ?? []) as never);
      samplers.push(async () => {
        last = undefined;
        last = (await read()) as GaugeReading<never>;
      });
    },
    watchPool: (database) => void pools.set(database.name, database),
    onCallEvent,
    watchBulkhead: measureBulkheads(telemetry),
    watchLimit: measureLimits(telemetry),
    async metricsPage() {
      await takeSamples();
      return telemetry.metricsText();
    },
    async readings() {
      await takeSamples();
      return readingsOf(processName, startedAt, telemetry.metrics());
    },
  };
}

/** How far behind the events of these services are: asked of their databases when somebody looks. */
export function sampleEvents(
  { sample }: ProcessTelemetry,
  parts: ReadonlyMap<ComposedService, Pick<ComposedPart, 'outbox' | 'subscription'>>,
): void {
  const entries = [...parts];
  sample(
    { name: 'holdfast_outbox_pending_events', help: 'Committed and not yet in the log.', labels: ['source'] },
    async () => {
      const publishers = entries.flatMap(([source, { outbox }]) => (outbox ? [{ source, outbox }] : []));
      return Promise.all(
        publishers.map(async ({ source, outbox }) => ({ labels: { source }, value: await outbox.pending() })),
      );
    },
  );
  sample(
    {
      name: 'holdfast_consumer_lag_events',
      help: 'In the log and not yet handled by a group.',
      labels: ['group', 'topic'],
    },
    async () => {
      const lags = await Promise.all(
        entries.flatMap(([group, { subscription }]) => (subscription ? [lagOf(group, subscription)] : [])),
      );
      return lags.flat();
    },
  );
}

async function lagOf(group: string, subscription: NonNullable<ComposedPart['subscription']>) {
  const byTopic = Map.groupBy(await subscription.lag(), ({ topic }) => topic);
  return [...byTopic].map(([topic, partitions]) => ({
    labels: { group, topic },
    value: partitions.reduce((sum, { events }) => sum + events, 0),
  }));
}

function measureLoopLag(telemetry: TelemetryHost): { enable(): boolean; disable(): boolean } {
  const lag = monitorEventLoopDelay({ resolution: loopLagResolutionMs });
  const inSeconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - loopLagResolutionMs / 1_000);
  telemetry.gauge(
    {
      name: 'nodejs_eventloop_lag_seconds',
      help: 'How late the event loop was, since the last scrape.',
      labels: ['quantile'],
    },
    () => {
      const reading = [0.5, 0.99, 1].map((quantile) => ({
        labels: { quantile: String(quantile) },
        value: lag.count > 0 ? inSeconds(lag.percentile(quantile * 100)) : 0,
      }));
      lag.reset();
      return reading;
    },
  );
  return lag;
}

function measurePools(telemetry: TelemetryHost, pools: ReadonlyMap<string, PooledDatabase>): void {
  const gauge = (name: string, help: string, value: (pool: PooledDatabase['pool']) => number) =>
    telemetry.gauge({ name, help, labels: ['database'] }, () =>
      [...pools].map(([database, { pool }]) => ({ labels: { database }, value: value(pool) })),
    );
  gauge('holdfast_pool_connections', 'Open connections to a database.', ({ open }) => open);
  gauge('holdfast_pool_busy_connections', 'Connections that are in use.', ({ open, idle }) => open - idle);
  gauge('holdfast_pool_waiting_callers', 'Callers that wait for a connection.', ({ waiting }) => waiting);
  gauge('holdfast_pool_saturation_ratio', 'Share of the connections allowed that is in use.', ({ open, idle, max }) => {
    return (open - idle) / max;
  });
}

function measureBulkheads(telemetry: TelemetryHost): ProcessTelemetry['watchBulkhead'] {
  const watched: { labels: { callee: string; operation: string }; bulkhead: Bulkhead; concurrencyMax: number }[] = [];
  const gauge = (name: string, help: string, value: (each: (typeof watched)[number]) => number) =>
    telemetry.gauge({ name, help, labels: ['callee', 'operation'] }, () =>
      watched.map((each) => ({ labels: each.labels, value: value(each) })),
    );
  gauge(
    'holdfast_bulkhead_saturation_ratio',
    'Share of the calls of an operation that may be under way from here that is.',
    ({ bulkhead, concurrencyMax }) => bulkhead.active / concurrencyMax,
  );
  gauge('holdfast_bulkhead_waiting_calls', 'Calls that wait for a place.', ({ bulkhead }) => bulkhead.queued);
  return (callee, operation, bulkhead, concurrencyMax) => {
    // As many as there are operations that are called from here.
    watched.push({ labels: { callee, operation }, bulkhead, concurrencyMax });
  };
}

function measureLimits(telemetry: TelemetryHost): ProcessTelemetry['watchLimit'] {
  const labels = ['service'] as const;
  return (service, limit) => {
    telemetry.gauge(
      {
        name: 'holdfast_adaptive_limit_requests',
        help: 'Requests that a service works on at a time, at most.',
        labels,
      },
      () => [{ labels: { service }, value: limit.limit }],
    );
    telemetry.tally(
      { name: 'holdfast_adaptive_limit_refused_total', help: 'Requests beyond that, answered with 503.', labels },
      () => [{ labels: { service }, value: limit.refused }],
    );
  };
}

const breakerStates: Readonly<Record<string, number>> = { closed: 0, 'half-open': 1, open: 2 };

function measureCallEvents(telemetry: TelemetryHost): ProcessTelemetry['onCallEvent'] {
  const events = telemetry.counter({
    name: 'holdfast_call_events_total',
    help: 'Retries, hedged calls, refusals by budget, breaker or bulkhead, breakers that changed.',
    labels: ['callee', 'event'],
  });
  const states = new Map<string, { labels: { callee: string; operation: string }; value: number }>();
  telemetry.gauge(
    {
      name: 'holdfast_breaker_state',
      help: 'Breaker of an operation of a callee: 0 closed, 1 half-open, 2 open. Absent: never changed.',
      labels: ['callee', 'operation'],
    },
    () => [...states.values()],
  );
  return (callee, event) => {
    if (event.kind === 'breaker') {
      const { operation } = event;
      const value = breakerStates[event.state] ?? 2;
      states.set(`${callee}.${operation}`, { labels: { callee, operation }, value });
    }
    const name = event.kind === 'gave-up' ? `gave-up-${event.why}` : event.kind;
    events.add({ callee, event: name });
  };
}
