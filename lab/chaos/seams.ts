import { readFileSync, writeFileSync } from 'node:fs';
import type { ServiceServer } from '#kit/contract';
import type { Instance } from '#kit/mesh';
import { createIds, type Database, type World } from '#kit/runtime';
import type { Surround } from '../../cli/serve-parent.ts';
import type { ServicesConfig } from '../../cli/services.ts';
import { type PlantedBug, plantedBugs, type Site } from './planted-bugs.ts';
import type { Detours } from './wiring.ts';

/** What the laboratory tells a child beside what the services need. */
export interface LabConfig extends ServicesConfig {
  readonly lab: {
    /** Where on this machine others are reached. */
    readonly detours: Detours;
    /** The laboratory writes here what is wrong with this process's clock; see `ClockError`. */
    readonly clockFile: string;
    /** The child writes its `Reading` here, a few times a second. */
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

/** What a child tells of its clock, and of the bug planted in it. */
export interface Reading {
  /** How often it was read while the laboratory had it wrong. */
  readonly wrong: number;
  /** How often the planted bug has struck. */
  readonly struck: number;
  /** What the system says the time is. */
  readonly nowMs: number;
}

export const readingOf = (path: string): Reading | undefined => readJson<Reading>(path);

const lookEveryMs = 100;

/**
 * The world of a child: its wall clock is as wrong as the laboratory says, its monotonic clock and timers are right, as
 * on a machine whose clock was set. A planted bug sits at the seams of the services.
 */
export const surround: Surround = (config, world) => {
  const { lab } = config as LabConfig;
  const planted = lab.bug === undefined ? undefined : plantedBugs[lab.bug];
  // Of those that ran before it, too.
  let struck = readingOf(lab.readingsFile)?.struck ?? 0;
  const site: Site = {
    world,
    struck() {
      struck += 1;
    },
  };
  const through =
    (detours: Detours['mesh']) =>
    ({ process, host, port }: Pick<Instance, 'process' | 'host' | 'port'>) => {
      const detour = detours[process];
      return detour === undefined ? { host, port } : { host: '127.0.0.1', port: detour };
    };
  const seams = { addressOf: through(lab.detours.mesh), doorOf: through(lab.detours.doors) };
  return {
    world: withClockOf(lab, world, () => struck),
    seams: { ...seams, ...(planted ? seamsOf(planted, site) : {}) },
  };
};

function withClockOf({ clockFile, readingsFile }: LabConfig['lab'], world: World, struck: () => number): World {
  const trueClock = world.clock;
  let error = readJson<ClockError>(clockFile);
  let wrong = 0;
  world.timers.every(lookEveryMs, () => {
    error = readJson<ClockError>(clockFile);
    writeFileSync(readingsFile, JSON.stringify({ wrong, struck: struck(), nowMs: trueClock.now() } satisfies Reading));
  });
  const clock = {
    ...trueClock,
    now() {
      const nowMs = trueClock.now();
      if (!error) return nowMs;
      wrong += 1;
      return Math.round(nowMs + error.offsetMs + (error.rate - 1) * (nowMs - error.sinceMs));
    },
  };
  return { ...world, clock, ids: createIds(clock, world.random) };
}

function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    // There is no such file while all is right; half a file is read again a moment later.
    return undefined;
  }
}

function seamsOf({ server, database }: PlantedBug, site: Site) {
  return {
    ...(server ? { server: (inner: ServiceServer) => server(inner, site) } : {}),
    ...(database ? { database: (inner: Database, service: string) => database(inner, service, site) } : {}),
  };
}
