import { type Promised, promises } from '#contracts/objectives';
import type { ObjectiveView } from '#contracts/operators';
import {
  type Counts,
  createRecorder,
  type Objective,
  type ObjectiveStatus,
  type Recorder,
  type Tallies,
  windowsMs,
} from '#kit/objectives';
import type { World } from '#kit/runtime';
import type { CollectedMetric, TelemetryHost } from '#kit/telemetry';
import { publicContracts } from './compose.ts';
import { keptFolder } from './kept.ts';

/** What is promised of the shop (contracts/objectives.ts), as the gateways measure and remember it. */

/** Up to two objectives an operation: that it does not fail, and that it is quick enough. */
export function objectivesOf(promised: ReadonlyMap<string, Promised>): Objective[] {
  return [...promised].flatMap(([key, { availability, latency }]) => [
    { key, kind: 'availability' as const, target: availability },
    ...(latency ? [{ key, kind: 'latency' as const, ...latency }] : []),
  ]);
}

export const shopObjectives = (): Objective[] => objectivesOf(promises(publicContracts));

/** What a gateway has counted so far of these operations; each with the time beyond which it is slow, if it has one. */
export function countsOf(
  metrics: readonly CollectedMetric[],
  withinSec: ReadonlyMap<string, number | undefined>,
): Counts {
  const counts = new Map<string, Tallies>();
  const metric = metrics.find(({ name }) => name === 'holdfast_request_duration_seconds');
  if (metric?.kind !== 'histogram') return counts;
  for (const { labels, counts: buckets, count } of metric.points) {
    const { service, operation = '', status } = labels;
    if (service !== 'gateway' || !withinSec.has(operation)) continue;
    const [total, failed, slow] = counts.get(operation) ?? [0, 0, 0];
    if (status === '5xx') counts.set(operation, [total + count, failed + count, slow]);
    else
      counts.set(operation, [total + count, failed, slow + slowOf(metric.bounds, buckets, withinSec.get(operation))]);
  }
  return counts;
}

/** Requests beyond a bound of the histogram. */
function slowOf(bounds: readonly number[], buckets: readonly number[], withinSec: number | undefined): number {
  if (withinSec === undefined) return 0;
  return buckets.slice(bounds.indexOf(withinSec) + 1).reduce((sum, count) => sum + count, 0);
}

export interface ShopObjectivesOptions {
  readonly world: World;
  readonly telemetry: TelemetryHost;
  readonly dataDir: string;
  /** Name of the process of this gateway. */
  readonly process: string;
}

/** For each gateway: counts what it serves, and shows how the objectives of all gateways stand, on its page of metrics too. */
export function createShopObjectives({ world, telemetry, dataDir, process }: ShopObjectivesOptions): Recorder {
  const promised = promises(publicContracts);
  const objectives = objectivesOf(promised);
  const withinSec = new Map([...promised].map(([key, { latency }]) => [key, latency?.withinSec]));
  const recorder = createRecorder({
    world,
    objectives,
    read: () => countsOf(telemetry.metrics(), withinSec),
    root: keptFolder(dataDir),
    below: dataDir,
    source: process,
  });
  showObjectives(telemetry, recorder.status);
  return recorder;
}

function showObjectives(telemetry: TelemetryHost, status: Recorder['status']): void {
  const labelsOf = ({ objective: { key, kind } }: ObjectiveStatus) => ({ operation: key, objective: kind });
  const labels = ['operation', 'objective'] as const;
  telemetry.gauge({ name: 'holdfast_slo_target_ratio', help: 'Share of requests that is to be good.', labels }, () =>
    status().map((each) => ({ labels: labelsOf(each), value: each.objective.target })),
  );
  telemetry.gauge(
    {
      name: 'holdfast_slo_error_budget_left_ratio',
      help: 'What is left of what may fail in 30 days: 1 all, below 0 the objective is missed.',
      labels,
    },
    () => status().map((each) => ({ labels: labelsOf(each), value: each.budgetLeft })),
  );
  telemetry.gauge(
    {
      name: 'holdfast_slo_burn_rate',
      help: 'How fast the error budget goes: 1 lasts exactly 30 days.',
      labels: [...labels, 'window'],
    },
    () =>
      status().flatMap((each) =>
        windowsMs.map((windowMs) => ({
          labels: { ...labelsOf(each), window: windowName(windowMs) },
          value: each.burnRates[windowMs] ?? 0,
        })),
      ),
  );
  telemetry.gauge(
    {
      name: 'holdfast_slo_alert_firing',
      help: 'Whether an alert of this severity fires: 1, else absent.',
      labels: [...labels, 'severity'],
    },
    () =>
      status().flatMap((each) =>
        each.alerts.map(({ severity }) => ({ labels: { ...labelsOf(each), severity }, value: 1 })),
      ),
  );
}

const hourMs = 3_600_000;

/** `5m`, `6h`, `3d`, as Prometheus writes them. */
export function windowName(windowMs: number): string {
  if (windowMs < hourMs) return `${windowMs / 60_000}m`;
  return windowMs % (24 * hourMs) === 0 ? `${windowMs / (24 * hourMs)}d` : `${windowMs / hourMs}h`;
}

/** As staff see it (contracts/operators.ts). */
export const viewObjectives = (status: readonly ObjectiveStatus[]): ObjectiveView[] =>
  status.map(({ objective: { key, kind, target, withinSec }, counted, budgetLeft, burnRates, alerts }) => ({
    ...{ operation: key, objective: kind, target, ...counted, budgetLeft },
    ...(withinSec === undefined ? {} : { withinSec }),
    burnRates: Object.fromEntries(windowsMs.map((windowMs) => [windowName(windowMs), burnRates[windowMs] ?? 0])),
    alerts: alerts.map(({ severity, longMs }) => ({ severity, window: windowName(longMs) })),
  }));
