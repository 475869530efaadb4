import type { Component, World } from '#kit/runtime';
import { addressOf } from './address.ts';
import type { InstanceStatus, Operations } from './control/index.ts';
import type { Address } from './doors.ts';
import { exitCodes, Failure } from './failure.ts';
import { createFleet } from './fleet.ts';
import { planProcesses } from './plan.ts';
import type { RunningServices, ServicesConfig } from './services.ts';
import type { TelemetryConfig } from './telemetry.ts';
import type { ServiceName, Topology } from './topology.ts';

/** The processes of a topology, whichever way they run, as one component of the command's host. */
export interface Processes extends Component, Operations {
  readonly urls: () => Readonly<Record<string, string>>;
  readonly demo: () => string | undefined;
  /** Kills a process and keeps it from starting until it is released: for the fault laboratory. */
  readonly hold: (process: string) => Promise<void>;
  readonly release: (process: string) => Promise<void>;
  /** Name, pid and services of each. */
  readonly list: () => readonly ProcessInfo[];
}

export interface ProcessInfo {
  readonly name: string;
  readonly pid: number | undefined;
  readonly services: readonly ServiceName[];
  readonly restarts: number;
}

export interface ProcessesOptions {
  readonly topology: Topology;
  readonly world: World;
  readonly public: Address;
  /** Where the edge speaks TLS, in a topology that has one. Default: any free port of the public host. */
  readonly https?: Address;
  readonly internalDoor?: Address;
  readonly telemetry?: TelemetryConfig;
  /** Opens the fault laboratory of the console. Default false. */
  readonly faults?: boolean;
  readonly dataDir: string;
  /** Asked when the processes start, so after the database has. */
  readonly databases: () => Readonly<Record<string, string>>;
  /** The folders of the built web apps, asked when the processes start; undefined: none are served. */
  readonly apps?: () => readonly string[] | undefined;
  /** Told of each child process that serves. */
  readonly onStarted?: (started: number, of: number) => void;
  /** The program of a child process. Default: the sources; undefined stands for them too. */
  readonly entry?: () => Promise<string | undefined>;
  readonly onChange: () => void;
}

export function createProcesses(options: ProcessesOptions): Processes {
  return options.topology.isOneProcess ? createInProcess(options) : createFleet(options);
}

/** All services in the process of the command itself. */
function createInProcess(options: ProcessesOptions): Processes {
  const { clock } = options.world;
  let running: RunningServices | undefined;
  let readyAtMs: number | undefined;
  const [only] = options.topology.processes;
  const name = only?.name ?? 'all';
  const services = only?.runs ?? [];
  // While the database starts. Where processes are children, the command has no use for what they run.
  const loading = import('./services.ts');

  async function refuse(): Promise<never> {
    throw new Failure(
      exitCodes.usage,
      'Everything runs in one process, which is the command itself: start with "--topology shop" for processes that can be operated one by one.',
    );
  }

  async function instances(): Promise<readonly InstanceStatus[]> {
    const upMs = readyAtMs === undefined ? undefined : clock.monotonicMs() - readyAtMs;
    const about = { name, services: [...services], state: running ? 'ready' : 'starting', restarts: 0 } as const;
    const at = { pid: process.pid, address: addressOf(options.public) };
    return [{ ...about, ...at, ...(upMs === undefined ? {} : { upMs }), ...((await running?.pulse()) ?? {}) }];
  }

  return {
    name: 'services',
    async start() {
      const [[config], { startServices }] = await Promise.all([planProcesses(options), loading]);
      running = await startServices({ ...(config as ServicesConfig), world: options.world });
      readyAtMs = clock.monotonicMs();
    },
    async drain() {
      await running?.stop();
    },
    async check() {
      const reasons = Object.entries((await running?.host.unready()) ?? { services: 'not started' });
      return reasons.length === 0 ? undefined : reasons.map(([name, why]) => `${name}: ${why}`).join('; ');
    },
    urls: () => running?.urls ?? {},
    demo: () => running?.demo,
    list: () => [{ name, pid: process.pid, services, restarts: 0 }],
    instances,
    ...{
      kill: refuse,
      pause: refuse,
      resume: refuse,
      hold: refuse,
      release: refuse,
      restart: refuse,
      scale: refuse,
      revoke: refuse,
    },
  };
}
