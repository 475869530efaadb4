import { createHash } from 'node:crypto';
import type { Balancing } from '#kit/contract';
import type { Random } from '#kit/runtime';
import { type Endpoint, isEjected, weightOf } from './endpoint.ts';

export interface PickOptions {
  readonly balancing: Balancing;
  readonly nowMs: number;
  readonly random: Random;
  /** Of the caller. */
  readonly zone: string;
  /** Processes that this call has tried already. */
  readonly tried: ReadonlySet<string>;
  /** What `hash` goes by. */
  readonly key: string | undefined;
  /** Counts up with each call, for `round-robin`. */
  readonly turn: number;
  readonly slowStartMs: number;
}

/**
 * The instance to call, or undefined when there is none. Each step narrows the choice and none may empty it: not out and
 * not ejected, not tried yet, near, by the policy.
 */
export function pick(endpoints: readonly Endpoint[], options: PickOptions): Endpoint | undefined {
  const { nowMs, tried, zone, balancing } = options;
  const well = available(endpoints, nowMs);
  const fresh = orAll(
    well.filter(({ instance }) => !tried.has(instance.process)),
    // Better one that is suspected than the same one again.
    orAll(
      endpoints.filter(({ instance }) => !tried.has(instance.process)),
      endpoints,
    ),
  );
  const near = nearby(fresh, endpoints, zone);
  if (near.length <= 1) return near[0];
  if (balancing.kind === 'round-robin') return near[options.turn % near.length];
  if (balancing.kind === 'hash' && options.key !== undefined) return byHash(near, options.key);
  return leastLoaded(near, options);
}

const orAll = <T>(some: readonly T[], all: readonly T[]): readonly T[] => (some.length > 0 ? some : all);

/** At least this share of the instances is called, whatever is suspected: the rest could not bear the load of all. */
export const floorShare = 0.5;

/** Those that are not suspected; all when fewer than half are left, which is Envoy's panic threshold. */
export function available(endpoints: readonly Endpoint[], nowMs: number): readonly Endpoint[] {
  const well = endpoints.filter((endpoint) => !endpoint.isOut && !isEjected(endpoint, nowMs));
  return well.length >= endpoints.length * floorShare ? well : endpoints;
}

/** Those of the caller's zone, as long as at least half of the zone's instances are still in the choice. */
function nearby(choice: readonly Endpoint[], all: readonly Endpoint[], zone: string): readonly Endpoint[] {
  const near = choice.filter(({ instance }) => instance.zone === zone);
  const inZone = all.filter(({ instance }) => instance.zone === zone).length;
  return near.length > 0 && near.length >= inZone * floorShare ? near : choice;
}

function leastLoaded(choice: readonly Endpoint[], { random, nowMs, slowStartMs }: PickOptions): Endpoint | undefined {
  const first = Math.floor(random.next() * choice.length);
  const second = (first + 1 + Math.floor(random.next() * (choice.length - 1))) % choice.length;
  const [a, b] = [choice[first] as Endpoint, choice[second] as Endpoint];
  const load = (endpoint: Endpoint) => (endpoint.active + 1) / weightOf(endpoint, nowMs, slowStartMs);
  return load(b) < load(a) ? b : a;
}

/**
 * Rendezvous hashing (Thaler, Ravishankar 1998): each instance draws a number from the key and its own name, the highest
 * takes it. When an instance goes only its keys move, and they spread over all others.
 */
function byHash(choice: readonly Endpoint[], key: string): Endpoint | undefined {
  let best: Endpoint | undefined;
  let highest = -1;
  for (const endpoint of choice) {
    const digest = createHash('sha1').update(`${endpoint.instance.process}\0${key}`).digest();
    const drawn = digest.readUIntBE(0, 6);
    if (drawn > highest) [best, highest] = [endpoint, drawn];
  }
  return best;
}
