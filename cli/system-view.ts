import type { SystemView } from '#contracts/operators';
import type { Clock } from '#kit/runtime';
import type { CollectedMetric } from '#kit/telemetry';

/** What one process has measured of itself, as its neighbours ask for it and as the console draws it. */
export interface Readings {
  readonly process: string;
  readonly startedAt: string;
  readonly edges: SystemView['edges'];
  readonly services: SystemView['services'];
  readonly breakers: SystemView['breakers'];
  readonly pools: SystemView['pools'];
  readonly published: SystemView['published'];
  readonly consumed: SystemView['consumed'];
}

export interface SystemViewOptions {
  readonly clock: Clock;
  readonly process: string;
  readonly services: readonly string[];
  readonly here: () => Readings;
  /** Readings of every other process that answers. */
  readonly elsewhere: () => Promise<readonly unknown[]>;
  /** All that are expected, this one included; empty where there is one process. */
  readonly expected: () => readonly Expected[];
  readonly unready: () => Promise<Readonly<Record<string, string>>>;
}

/** A process that should answer. */
export interface Expected {
  readonly process: string;
  readonly services: readonly string[];
  readonly address: string;
  readonly zone?: string;
}

/** Puts the readings of all processes together. One that does not answer is listed as such. */
export async function viewSystem(options: SystemViewOptions): Promise<SystemView> {
  const others = options.elsewhere() as Promise<readonly Readings[]>;
  const [unready, elsewhere] = await Promise.all([options.unready(), others]);
  const readings = [options.here(), ...elsewhere];
  return {
    at: new Date(options.clock.now()).toISOString(),
    processes: processesOf(options, readings),
    boundsSec: [...boundsSec],
    edges: sumBy(
      readings.flatMap(({ edges }) => edges),
      ({ caller, callee }) => `${caller} ${callee}`,
    ),
    services: sumBy(
      readings.flatMap(({ services }) => services),
      ({ service }) => service,
    ),
    breakers: readings.flatMap(({ breakers }) => breakers),
    pools: readings.flatMap(({ pools }) => pools),
    published: largestBy(
      readings.flatMap(({ published }) => published),
      ({ source }) => source,
    ),
    consumed: largestBy(
      readings.flatMap(({ consumed }) => consumed),
      ({ group }) => group,
    ),
    unready: { ...unready },
  };
}

function processesOf(options: SystemViewOptions, readings: readonly Readings[]): SystemView['processes'] {
  const expected = options.expected();
  const startedAt = new Map(readings.map((each) => [each.process, each.startedAt]));
  if (expected.length === 0) {
    const { process, services } = options;
    return [{ process, services: [...services], answering: true, startedAt: startedAt.get(process) ?? '' }];
  }
  return expected.map(({ process, services, address, zone }) => {
    const started = startedAt.get(process);
    const about = { process, services: [...services], address, ...(zone === undefined ? {} : { zone }) };
    return { ...about, answering: started !== undefined, ...(started === undefined ? {} : { startedAt: started }) };
  });
}

type Counted = Pick<SystemView['services'][number], 'calls' | 'failed' | 'buckets'>;

/** The bounds of every histogram of seconds that this system keeps (kit/telemetry). */
const boundsSec = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const failures = new Set(['5xx', 'unavailable', 'timeout', 'internal', 'failed']);

/** Reads them off a process's own metrics. */
export function readingsOf(process: string, startedAt: string, metrics: readonly CollectedMetric[]): Readings {
  const numbers = (name: string) => {
    const metric = metrics.find((each) => each.name === name);
    return metric && metric.kind !== 'histogram' ? metric.points : [];
  };
  const histogram = (name: string) => {
    const metric = metrics.find((each) => each.name === name);
    return metric?.kind === 'histogram' ? metric.points : [];
  };
  const label = (labels: Readonly<Record<string, string>>, name: string): string => labels[name] ?? '';
  const gauge = (name: string, by: string, of: string): number | undefined => {
    const points = numbers(name).filter(({ labels }) => labels[by] === of);
    return points.length === 0 ? undefined : points.reduce((sum, { value }) => sum + value, 0);
  };
  return {
    process,
    startedAt,
    edges: sumBy(
      histogram('holdfast_call_duration_seconds').map(({ labels, counts, count }) => ({
        caller: label(labels, 'caller'),
        callee: label(labels, 'callee'),
        ...{ calls: count, failed: failures.has(label(labels, 'outcome')) ? count : 0, buckets: [...counts] },
      })),
      ({ caller, callee }) => `${caller} ${callee}`,
    ),
    services: sumBy(
      histogram('holdfast_request_duration_seconds').map(({ labels, counts, count }) => ({
        service: label(labels, 'service'),
        ...{ calls: count, failed: label(labels, 'status') === '5xx' ? count : 0, buckets: [...counts] },
      })),
      ({ service }) => service,
    ),
    breakers: numbers('holdfast_breaker_state').flatMap(({ labels, value }) =>
      value === 0
        ? []
        : [
            {
              ...{ callee: label(labels, 'callee'), operation: label(labels, 'operation') },
              state: value === 1 ? ('half-open' as const) : ('open' as const),
            },
          ],
    ),
    pools: numbers('holdfast_pool_connections').map(({ labels, value }) => {
      const database = label(labels, 'database');
      const busy = gauge('holdfast_pool_busy_connections', 'database', database) ?? 0;
      const waiting = gauge('holdfast_pool_waiting_callers', 'database', database) ?? 0;
      return { process, database, open: value, busy, waiting };
    }),
    published: numbers('holdfast_events_relayed_total').map(({ labels, value }) => {
      const source = label(labels, 'source');
      const waiting = gauge('holdfast_outbox_pending_events', 'source', source);
      return { source, events: value, ...(waiting === undefined ? {} : { waiting }) };
    }),
    consumed: numbers('holdfast_events_consumed_total').map(({ labels, value }) => {
      const group = label(labels, 'group');
      const behind = gauge('holdfast_consumer_lag_events', 'group', group);
      return { group, events: value, ...(behind === undefined ? {} : { behind }) };
    }),
  };
}

function sumBy<T extends Counted>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return [...Map.groupBy(items, keyOf).values()].map((group) => {
    const [first] = group as [T, ...T[]];
    return {
      ...first,
      calls: group.reduce((sum, { calls }) => sum + calls, 0),
      failed: group.reduce((sum, { failed }) => sum + failed, 0),
      buckets: first.buckets.map((_, i) => group.reduce((sum, { buckets }) => sum + (buckets[i] ?? 0), 0)),
    };
  });
}

/** Several processes of one service count what each has done; how far behind they are, they all ask of one database. */
function largestBy<T extends { readonly events: number; readonly waiting?: number; readonly behind?: number }>(
  items: readonly T[],
  keyOf: (item: T) => string,
): T[] {
  return [...Map.groupBy(items, keyOf).values()].map((group) => {
    const events = group.reduce((sum, item) => sum + item.events, 0);
    return { ...(group[0] as T), events };
  });
}
