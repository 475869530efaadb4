import type { OperatorViews } from '#edge/gateway';
import type { EventLog } from '#kit/messaging';
import type { Recorder } from '#kit/objectives';
import { addressOf } from './address.ts';
import { composedServices, publishesEvents } from './compose.ts';
import { edgesOf, readElsewhere } from './edges.ts';
import type { FaultSwitches } from './faults.ts';
import { keptFolder } from './kept.ts';
import { createLaboratory } from './laboratory.ts';
import { viewLogs } from './log-view.ts';
import type { Mesh } from './mesh.ts';
import { viewObjectives } from './objectives.ts';
import type { ServicesOptions } from './services.ts';
import { type Readings, type SystemViewOptions, viewSystem } from './system-view.ts';
import type { ProcessTelemetry } from './telemetry.ts';
import { createTraceCollector } from './traces.ts';

export interface OperatorViewsOptions
  extends Pick<ServicesOptions, 'world' | 'process' | 'services' | 'dataDir' | 'settings'> {
  readonly observed: ProcessTelemetry;
  readonly objectives: Recorder['status'];
  readonly mesh: Mesh | undefined;
  readonly log: EventLog;
  readonly unready: SystemViewOptions['unready'];
  readonly faults: FaultSwitches | undefined;
}

const askTimeoutMs = 1_500;

/** What the gateway shows to staff: gathered from all processes when somebody looks, so that it costs nothing otherwise. */
export function createOperatorViews(options: OperatorViewsOptions): OperatorViews {
  const { world, process, services, observed, mesh, log, unready, faults } = options;
  const { spans } = observed.telemetry;
  const elsewhere = readElsewhere(options.dataDir, mesh);
  return {
    log,
    ...(faults
      ? { faults: createLaboratory({ dataDir: options.dataDir, switches: faults, mesh, log: world.log }) }
      : {}),
    topics: composedServices.filter(publishesEvents),
    settings: () => options.settings ?? [],
    objectives: () => viewObjectives(options.objectives()),
    traces: spans.recent,
    logs: (filter) => viewLogs(keptFolder(options.dataDir), filter),
    trace: createTraceCollector({ elsewhere, here: spans.trace }).trace,
    async system() {
      const readings: Readings = await observed.readings();
      return viewSystem({
        ...{ clock: world.clock, process, services, unready },
        here: () => readings,
        elsewhere: () => elsewhere('/readings', askTimeoutMs),
        expected: () => [
          ...(mesh?.directory.instances ?? []).map((each) => ({ ...each, address: addressOf(each) })),
          ...edgesOf(options.dataDir),
        ],
      });
    },
  };
}
