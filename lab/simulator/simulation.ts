import { createVirtualWorld, type Random, seededRandom, type VirtualWorld } from '#kit/runtime';
import { type Counters, createCounters } from './counters.ts';
import { createTrace, type Trace } from './trace.ts';

/** What all parts of one simulated run share. */
export interface Simulation {
  readonly seed: number;
  /** True time: what no node knows exactly. */
  readonly world: VirtualWorld;
  readonly trace: Trace;
  readonly faults: Counters;
  /** Faults happen only while this is set: the safety phase. */
  faultsOn: boolean;
  /** A stream of randomness of its own for each concern: one more draw here changes nothing there. */
  stream(name: string): Random;
  /** Something happened that must never happen, noticed on the way. */
  violate(check: string, detail: string): void;
  readonly violations: readonly Violation[];
}

export interface Violation {
  readonly check: string;
  readonly detail: string;
}

/** True time at the start of every run. */
export const startMs = Date.UTC(2030, 0, 1);
/** A check that finds much must not hide what the next one finds. */
const violationsPerCheckMax = 5;

export function createSimulation(seed: number, options: { readonly keepTrace: boolean }): Simulation {
  const world = createVirtualWorld({ seed, startMs, logLinesMax: 1 });
  const trace = createTrace({ keep: options.keepTrace, startMs });
  const violations: Violation[] = [];
  return {
    seed,
    world,
    trace,
    faults: createCounters(),
    faultsOn: true,
    stream: (name) => seededRandom(seed, name),
    violate(check, detail) {
      if (violations.some((known) => known.check === check && known.detail === detail)) return;
      trace.event({ atMs: world.nowMs, kind: 'check', node: '', text: `VIOLATED ${check}: ${detail}` });
      const alike = violations.filter((known) => known.check === check).length;
      if (alike < violationsPerCheckMax) violations.push({ check, detail });
    },
    violations,
  };
}

export const chance = (random: Random, probability: number): boolean => probability > 0 && random.next() < probability;

/** A whole number from `min` to `max`, both included. */
export const between = (random: Random, min: number, max: number): number =>
  min + Math.floor(random.next() * (max - min + 1));

export function pick<T>(random: Random, items: readonly T[]): T {
  if (items.length === 0) throw new Error('nothing to pick from');
  return items[Math.floor(random.next() * items.length)] as T;
}

/** Exponentially distributed: mostly short, sometimes long, so that things overtake one another. */
export const exponential = (random: Random, mean: number): number => -Math.log(1 - random.next()) * mean;
