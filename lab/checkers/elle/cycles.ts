import type { CycleClass } from './anomaly.ts';
import { componentsOf } from './components.ts';
import { type Graph, type Kind, kinds } from './graph.ts';

export interface Step {
  readonly from: number;
  readonly to: number;
  readonly kind: Kind;
}

export interface Cycle {
  readonly name: CycleClass | `${CycleClass}-process` | `${CycleClass}-realtime`;
  /** Each step begins where the one before ended; the last leads back to the first. */
  readonly steps: readonly Step[];
}

interface Rule {
  readonly name: CycleClass;
  /** A cycle of this class has an edge of this kind, … */
  readonly first: Kind;
  /** … and goes back to where it began along edges of these kinds. */
  readonly rest: number;
  /** Anti-dependencies may not follow one another, as under snapshot isolation they must. */
  readonly apart?: true;
  /** Of other cycles along such edges, a stronger class tells. */
  readonly fits: (steps: readonly Step[]) => boolean;
}

const isRw = (step: Step | undefined) => step?.kind === 'rw';
const any = () => true;
const hasTwo = (steps: readonly Step[]) => steps.filter(isRw).length > 1;
const hasNeighbours = (steps: readonly Step[]) => steps.some((step, at) => isRw(step) && isRw(steps.at(at - 1)));

const rules: readonly Rule[] = [
  { name: 'G0', first: 'ww', rest: kinds.ww, fits: any },
  { name: 'G1c', first: 'wr', rest: kinds.ww | kinds.wr, fits: any },
  { name: 'G-single', first: 'rw', rest: kinds.ww | kinds.wr, fits: any },
  { name: 'G-nonadjacent', first: 'rw', rest: kinds.ww | kinds.wr | kinds.rw, apart: true, fits: hasTwo },
  { name: 'G2-item', first: 'rw', rest: kinds.ww | kinds.wr | kinds.rw, fits: hasNeighbours },
];

/** Searches for one class in one component; a component that needs more is too tangled to need a finer answer. */
const searchesMax = 20_000;
/** Of so many cycles found in one component the shortest is told. */
const candidatesMax = 32;

/**
 * Cycles of each class, one for each tangle of transactions: with the dependencies alone, else with the order in a
 * process, else with real time. Elle (Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
 * observations", VLDB 2020) searches so; breadth first, hence short.
 */
export function findCycles(graph: Graph): Cycle[] {
  const cycles: Cycle[] = [];
  for (const rule of rules) {
    const covered = new Set<number>();
    for (const extra of [0, kinds.process, kinds.process | kinds.realtime]) {
      for (const component of componentsOf(graph, rule.rest | kinds[rule.first] | extra)) {
        if (component.some((node) => covered.has(node))) continue;
        const steps = shortestIn(graph, component, rule, extra);
        if (!steps) continue;
        cycles.push({ name: nameOf(rule.name, steps), steps });
        for (const node of component) covered.add(node);
      }
    }
  }
  return cycles;
}

function nameOf(name: CycleClass, steps: readonly Step[]): Cycle['name'] {
  if (steps.some(({ kind }) => kind === 'realtime')) return `${name}-realtime`;
  if (steps.some(({ kind }) => kind === 'process')) return `${name}-process`;
  return name;
}

function shortestIn(graph: Graph, component: readonly number[], rule: Rule, extra: number): Step[] | undefined {
  const members = new Set(component);
  let shortest: Step[] | undefined;
  let searches = 0;
  let found = 0;
  for (const from of component) {
    for (const edge of graph.edges[from]?.values() ?? []) {
      if (!(edge.bits & kinds[rule.first]) || !members.has(edge.to)) continue;
      searches += 1;
      const back = pathBack(graph, members, { from: edge.to, to: from, rule, bits: rule.rest | extra });
      const steps: Step[] | undefined = back && [{ from, to: edge.to, kind: rule.first }, ...back];
      if (steps && rule.fits(steps)) {
        found += 1;
        if (!shortest || steps.length < shortest.length) shortest = steps;
      }
      if (shortest?.length === 2 || found >= candidatesMax || searches >= searchesMax) return shortest;
    }
  }
  return shortest;
}

interface Way {
  readonly from: number;
  readonly to: number;
  readonly rule: Rule;
  readonly bits: number;
}

interface Visit {
  readonly step: Step | undefined;
  readonly node: number;
  readonly before: Visit | undefined;
}

/** Breadth first. Where anti-dependencies must stay apart, a node is another place after one than after another edge. */
function pathBack(graph: Graph, members: ReadonlySet<number>, { from, to, rule, bits }: Way): Step[] | undefined {
  const { rw } = kinds;
  const placeOf = (node: number, isAfterRw: boolean) => (rule.apart && isAfterRw ? -1 - node : node);
  const seen = new Set([placeOf(from, true)]);
  const queue: Visit[] = [{ step: undefined, node: from, before: undefined }];
  for (let at = 0; at < queue.length; at++) {
    const visit = queue[at] as Visit;
    const isAfterRw = visit.step === undefined || visit.step.kind === 'rw';
    for (const edge of graph.edges[visit.node]?.values() ?? []) {
      if (!members.has(edge.to)) continue;
      let usable = edge.bits & bits;
      if (rule.apart && (isAfterRw || edge.to === to)) usable &= ~rw;
      // With a plain edge at hand, an anti-dependency to the same place may still be what makes the class.
      for (const kind of ways(usable, rule)) {
        const step: Step = { from: visit.node, to: edge.to, kind };
        if (edge.to === to) return stepsTo({ step, node: to, before: visit });
        const place = placeOf(edge.to, kind === 'rw');
        if (seen.has(place)) continue;
        seen.add(place);
        queue.push({ step, node: edge.to, before: visit });
      }
    }
  }
  return undefined;
}

const strongestFirst: readonly Kind[] = ['ww', 'wr', 'process', 'realtime', 'rw'];

/** The kind a step goes by: the strongest; where two anti-dependencies are needed, an anti-dependency. */
function ways(usable: number, rule: Rule): readonly Kind[] {
  const possible = strongestFirst.filter((kind) => usable & kinds[kind]);
  if (possible.length === 0) return possible;
  if (rule.apart) return possible.filter((kind, at) => at === 0 || kind === 'rw');
  return possible.includes('rw') ? ['rw'] : possible.slice(0, 1);
}

function stepsTo(end: Visit): Step[] {
  const steps: Step[] = [];
  for (let visit: Visit | undefined = end; visit?.step; visit = visit.before) steps.push(visit.step);
  return steps.reverse();
}
