import { readFileSync, writeFileSync } from 'node:fs';
import { createIds, type Database, type World } from '#kit/runtime';
import type { Surround } from '../../cli/serve-parent.ts';
import type { ServicesConfig } from '../../cli/services.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';

/** What the laboratory tells a child beside what the services need. */
export interface LabConfig extends ServicesConfig {
  readonly lab: {
    /** The laboratory writes here what is wrong with this process's clock; see `ClockError`. */
    readonly clockFile: string;
    /** The child writes here how often its wrong clock was read. */
    readonly readingsFile: string;
    /** Name of a planted bug. */
    readonly bug?: string;
  };
}

/** What a process's wall clock shows: true time + `offsetMs`, and from `sinceMs` on it runs at `rate`. */
export interface ClockError {
  readonly offsetMs: number;
  readonly rate: number;
  /** True time, milliseconds since the epoch. */
  readonly sinceMs: number;
}

const lookEveryMs = 100;

/**
 * The world of a child: its wall clock is as wrong as the laboratory says, its monotonic clock and timers are right, as
 * on a machine whose clock was set. A planted bug sits at the seams of the services.
 */
export const surround: Surround = (config, world) => {
  const { lab } = config as LabConfig;
  const planted = lab.bug === undefined ? undefined : plantedBugs[lab.bug];
  return { world: withClockOf(lab, world), ...(planted ? { seams: seamsOf(planted, world) } : {}) };
};

function withClockOf({ clockFile, readingsFile }: LabConfig['lab'], world: World): World {
  const trueClock = world.clock;
  let error = readClockError(clockFile);
  let readings = 0;
  let told = 0;
  world.timers.every(lookEveryMs, () => {
    error = readClockError(clockFile);
    if (readings === told) return;
    told = readings;
    writeFileSync(readingsFile, String(readings));
  });
  const clock = {
    ...trueClock,
    now() {
      const nowMs = trueClock.now();
      if (!error) return nowMs;
      readings += 1;
      return Math.round(nowMs + error.offsetMs + (error.rate - 1) * (nowMs - error.sinceMs));
    },
  };
  return { ...world, clock, ids: createIds(clock, world.random) };
}

function readClockError(path: string): ClockError | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ClockError;
  } catch {
    // There is no such file while the clock is right; half a file is read again a moment later.
    return undefined;
  }
}

function seamsOf(planted: PlantedBug, world: World) {
  const { server, database } = planted;
  return {
    ...(server ? { server: (inner: Parameters<typeof server>[0]) => server(inner, world) } : {}),
    ...(database ? { database: (inner: Database, service: string) => database(inner, service, world) } : {}),
  };
}
