import type { Random } from '#kit/runtime';
import type { ServiceName } from '../../../cli/topology.ts';
import type { Rig } from '../rig.ts';
import type { Way } from '../wiring.ts';

export type FaultClass = 'process' | 'network' | 'disk' | 'clock' | 'dependency';

/** What a topology has that faults can be aimed at. */
export interface Shape {
  readonly processes: readonly { readonly name: string; readonly services: readonly ServiceName[] }[];
  readonly ways: readonly Way[];
}

/** A kind of fault. Each has a file of its own. */
export interface Fault {
  readonly name: string;
  readonly class: FaultClass;
  /** What it does, in one plain sentence. */
  readonly does: string;
  /** Least and most time that it lasts. */
  readonly durationMs: readonly [number, number];
  /** It needs more than a plain user of a plain Linux has, so it is injected only when it is asked for. */
  readonly privileged?: true;
  /** Why this machine does not allow it; undefined when it does. */
  readonly missing?: () => string | undefined;
  /** Prepares what a run needs for it; the answer undoes that. Before there is a database, and after it was made. */
  readonly prepare?: (dataDir: string, stage: 'empty' | 'made') => (() => void) | undefined;
  /** What every process and the database server are started with; each has a file of its own to be told by. */
  readonly environment?: (file: string) => Readonly<Record<string, string>>;
  readonly targets: (shape: Shape) => readonly string[];
  readonly inject: (rig: Rig, target: string, random: Random) => Promise<Injection>;
}

/** A fault in force. */
export interface Injection {
  /** What was chosen, for the report: `to-server, 300 ms`. */
  readonly detail?: string;
  /** How often its effect was observed so far. A fault without effect proves nothing. */
  readonly effects: () => number | Promise<number>;
  readonly heal: () => void | Promise<void>;
}

export const processNames = ({ processes }: Shape): string[] => processes.map(({ name }) => name);

/** Whole milliseconds or bytes between two bounds. */
export const drawBetween = (random: Random, least: number, most: number): number =>
  Math.round(least + random.next() * (most - least));

export function drawOne<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random.next() * items.length)];
  if (item === undefined) throw new Error('drawOne: there is nothing to draw from');
  return item;
}
