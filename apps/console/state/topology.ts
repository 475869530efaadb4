import type { SystemView } from '#contracts/operators';
import { type Flow, flowOf, type Window } from './flow.ts';

export type Health = 'ok' | 'idle' | 'strained' | 'failing' | 'away';

export interface Node {
  readonly name: string;
  readonly health: Health;
  /** Why, in words; empty where all is well. */
  readonly why: string;
  readonly served: Flow | undefined;
  readonly instances: number;
  readonly tells: number | undefined;
  readonly behind: number | undefined;
  readonly x: number;
  readonly y: number;
}

export interface Edge {
  readonly from: Node;
  readonly to: Node;
  readonly flow: Flow;
  readonly breakers: readonly string[];
  /** Where it passes columns on its way: the middle of a gap in each, so that no service hides it. */
  readonly via: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Topology {
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
  readonly width: number;
  readonly height: number;
}

export const box = { width: 166, height: 66 } as const;
const gap = { x: 92, y: 22 } as const;
const margin = 14;

const strainedFrom = 0.01;
const failingFrom = 0.2;

/**
 * The system as a picture: callers to the left of whom they call, and near to them. `ours`: services of this shop, which do
 * not answer where no instance of them runs; whatever else is called runs somewhere else.
 */
export function topologyOf(window: Window, ours: ReadonlySet<string> = new Set()): Topology {
  const { to } = window;
  const links = to.edges.map(({ caller, callee }) => ({ caller, callee }));
  const names = [
    ...new Set([...to.processes.flatMap(({ services }) => services), ...links.flatMap(Object.values)]),
  ].sort();
  const linked = new Set<string>([...doors, ...links.flatMap(({ caller, callee }) => [caller, callee])]);
  const columns = columnsOf(
    names.filter((name) => linked.has(name)),
    links,
  );
  const tallest = Math.max(...columns.map(({ length }) => length));
  const width = Math.max(4, columns.length) * (box.width + gap.x) - gap.x + 2 * margin;
  const height = tallest * (box.height + gap.y) - gap.y + 2 * margin;
  const start = (width - (columns.length * (box.width + gap.x) - gap.x)) / 2;
  const placed = columns.flatMap((column, i) => {
    const top = (height - (column.length * (box.height + gap.y) - gap.y)) / 2;
    return column.map((name, j) => ({
      ...nodeOf(name, window, ours),
      x: start + i * (box.width + gap.x),
      y: top + j * (box.height + gap.y),
    }));
  });
  // Whoever nobody has called yet stands below the others, in rows.
  const alone = names.filter((name) => !linked.has(name));
  const perRow = Math.floor((width - 2 * margin + gap.y) / (box.width + gap.y));
  const below = alone.map((name, i) => ({
    ...nodeOf(name, window, ours),
    x: margin + (i % perRow) * (box.width + gap.y),
    y: height + gap.y + Math.floor(i / perRow) * (box.height + gap.y),
  }));
  const rows = Math.ceil(alone.length / perRow);
  const nodes = [...placed, ...below];
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const edges = to.edges.flatMap((edge) => {
    const [from, callee] = [byName.get(edge.caller), byName.get(edge.callee)];
    if (!from || !callee) return [];
    const before = window.from?.edges.find((each) => each.caller === edge.caller && each.callee === edge.callee);
    const breakers = to.breakers.filter((each) => each.callee === edge.callee).map(breakerText);
    return [{ from, to: callee, flow: flowOf(before, edge, window), breakers, via: viaOf(from, callee, placed) }];
  });
  return { nodes, edges, width, height: height + (rows > 0 ? rows * (box.height + gap.y) + gap.y : 0) };
}

/** Of each column between the two: the gap above, below or between its services that is nearest to the straight way. */
function viaOf(from: Point, to: Point, placed: readonly Point[]): readonly Point[] {
  const columns = [...new Set(placed.map(({ x }) => x))].filter((x) => x > from.x && x < to.x).sort((a, b) => a - b);
  return columns.map((x) => {
    const tops = placed.filter((node) => node.x === x).map(({ y }) => y);
    const gaps = [...tops.map((y) => y - gap.y / 2), Math.max(...tops) + box.height + gap.y / 2];
    const straight = from.y + box.height / 2 + ((to.y - from.y) * (x - from.x)) / (to.x - from.x);
    const y = gaps.reduce((best, each) => (Math.abs(each - straight) < Math.abs(best - straight) ? each : best));
    return { x, y };
  });
}

/** As it counts them itself; of what is no service of ours (a payment provider), as its callers do. */
function callsOf(name: string, { services, edges }: SystemView): SystemView['services'][number] | undefined {
  const own = services.find(({ service }) => service === name);
  const [first, ...rest] = edges.filter(({ callee }) => callee === name);
  if (own || !first) return own;
  const { calls, failed, buckets } = rest.reduce(
    (sum, edge) => ({
      ...edge,
      calls: sum.calls + edge.calls,
      failed: sum.failed + edge.failed,
      buckets: sum.buckets.map((count, i) => count + (edge.buckets[i] ?? 0)),
    }),
    first,
  );
  return { service: name, calls, failed, buckets };
}

const breakerText = ({ operation, state }: SystemView['breakers'][number]): string => `${operation} ${state}`;

function nodeOf(name: string, window: Window, ours: ReadonlySet<string>): Omit<Node, 'x' | 'y'> {
  const { to, from } = window;
  const running = to.processes.filter(({ services }) => services.includes(name));
  const now = callsOf(name, to);
  const served = now && flowOf(from && callsOf(name, from), now, window);
  const published = to.published.find(({ source }) => source === name);
  const before = from?.published.find(({ source }) => source === name);
  const sec = from ? (Date.parse(to.at) - Date.parse(from.at)) / 1_000 : 0;
  const tells = published && sec > 0 ? Math.max(0, published.events - (before?.events ?? 0)) / sec : undefined;
  const silent = running.filter(({ answering }) => !answering).length;
  const breakers = to.breakers.filter(({ callee }) => callee === name).map(breakerText);
  const unready = Object.entries(to.unready).filter(([component]) => component.startsWith(name));
  return {
    name,
    served,
    tells,
    instances: running.length,
    behind: to.consumed.find(({ group }) => group === name)?.behind,
    ...healthOf({
      isGone: running.length === 0 && ours.has(name),
      running: running.length,
      silent,
      breakers,
      served,
      unready: unready.map(([, why]) => why),
    }),
  };
}

function healthOf(found: {
  readonly isGone: boolean;
  readonly running: number;
  readonly silent: number;
  readonly breakers: readonly string[];
  readonly served: Flow | undefined;
  readonly unready: readonly string[];
}): { readonly health: Health; readonly why: string } {
  const { isGone, running, silent, breakers, served, unready } = found;
  if (isGone) return { health: 'away', why: 'not running' };
  if (running > 0 && silent === running) return { health: 'away', why: 'no instance answers' };
  if (unready.length > 0) return { health: 'failing', why: unready.join('; ') };
  if (breakers.length > 0) return { health: 'failing', why: `breaker: ${breakers.join(', ')}` };
  const failing = served?.failing ?? 0;
  if (failing >= failingFrom) return { health: 'failing', why: `${Math.round(failing * 100)} % of calls fail` };
  if (silent > 0) return { health: 'strained', why: `${silent} of ${running} instances do not answer` };
  if (failing >= strainedFrom) return { health: 'strained', why: `${Math.round(failing * 100)} % of calls fail` };
  return { health: served && served.perSec > 0 ? 'ok' : 'idle', why: '' };
}

/** What a request meets before any service, from the outside in. */
const doors: readonly string[] = ['edge', 'balancer', 'gateway'];

type Link = { readonly caller: string; readonly callee: string };

/** Longest way from the door, then by where the callers stand (Sugiyama, Tagawa and Toda 1981, two sweeps). */
function columnsOf(names: readonly string[], links: readonly Link[]): string[][] {
  const here = doors.filter((name) => names.includes(name));
  const depth = new Map(names.map((name) => [name, here.includes(name) ? here.indexOf(name) : here.length]));
  // Circles (A calls B, B calls A) end with the number of rounds.
  for (let round = 0; round < names.length; round++) {
    for (const { caller, callee } of links) {
      const next = (depth.get(caller) ?? 0) + 1;
      if (!here.includes(callee) && next > (depth.get(callee) ?? 0) && next < names.length) depth.set(callee, next);
    }
  }
  const deepest = Math.max(...depth.values());
  const columns = Array.from({ length: deepest + 1 }, (_, i) => names.filter((name) => depth.get(name) === i));
  const filled = columns.filter(({ length }) => length > 0);
  for (let sweep = 0; sweep < 2; sweep++) {
    const place = new Map(
      filled.flatMap((column) => column.map((name, i) => [name, (i + 0.5) / column.length] as const)),
    );
    for (const column of filled) {
      const centre = (name: string) => {
        const near = links.flatMap(({ caller, callee }) =>
          callee === name ? [caller] : caller === name ? [callee] : [],
        );
        const sum = near.reduce((all, other) => all + (place.get(other) ?? 0.5), 0);
        return near.length > 0 ? sum / near.length : 0.9;
      };
      column.sort((a, b) => centre(a) - centre(b) || (a < b ? -1 : 1));
    }
  }
  return filled;
}
