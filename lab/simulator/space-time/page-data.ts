import type { Violation } from '../simulation.ts';
import { idsIn, type TraceEvent, type TraceKind } from '../trace.ts';
import { type Life, livesOf } from './lives.ts';

/** What the page's script draws: plain data, lanes by their number. */
export interface PageData {
  readonly lanes: readonly string[];
  readonly events: readonly PageEvent[];
  readonly lives: readonly (Omit<Life, 'node'> & { readonly lane: number })[];
  /** Orders to follow: what to look for, and what to call it. */
  readonly orders: readonly { readonly id: string; readonly name: string }[];
  /** Orders and requests that violations name. */
  readonly suspects: readonly string[];
  /** Events that are left out, as there are too many for a page. */
  readonly left: number;
}

export interface PageEvent {
  readonly atMs: number;
  readonly kind: TraceKind;
  /** -1: of nobody in particular. */
  readonly lane: number;
  readonly from?: number;
  readonly sentAtMs?: number;
  readonly untilMs?: number;
  readonly text: string;
  readonly detail?: string;
  readonly about?: readonly string[];
}

/** A page of some ten megabytes: what a browser still opens within a second or two. */
const eventsMax = 50_000;

export function pageData(events: readonly TraceEvent[], violations: readonly Violation[]): PageData {
  const told = events.filter(({ kind, text }) => kind !== 'check' || text.startsWith('VIOLATED'));
  const drawn = told.slice(0, eventsMax);
  const lanes = lanesOf(drawn);
  const laneOf = new Map(lanes.map((name, i) => [name, i]));
  const lane = (node: string) => laneOf.get(node) ?? -1;
  return {
    lanes,
    events: drawn.map(({ from, node, ...event }) => ({
      ...event,
      atMs: round(event.atMs),
      lane: lane(node),
      ...(from === undefined ? {} : { from: lane(from) }),
      ...(event.sentAtMs === undefined ? {} : { sentAtMs: round(event.sentAtMs) }),
    })) as PageEvent[],
    lives: livesOf(drawn, lanes).map(({ node, ...life }) => ({ ...life, lane: lane(node) })),
    orders: ordersOf(drawn),
    suspects: [...new Set(violations.flatMap(({ detail }) => suspectsIn(detail)))],
    left: told.length - drawn.length,
  };
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Nodes from left to right: people, services, databases, and the world outside, so that calls run through the middle. */
export function lanesOf(events: readonly TraceEvent[]): string[] {
  const names = new Set<string>();
  for (const { node, from } of events) {
    if (node) names.add(node);
    if (from) names.add(from);
  }
  return [...names].sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));
}

const outside = new Set(['provider', 'mail']);
const order = [
  ...['gateway', 'users', 'carts', 'tills', 'orders', 'catalogue', 'products', 'inventory', 'payments', 'reader'],
  ...['notifications', 'analytics', 'assistant', 'newsroom', 'log'],
];

function rankOf(name: string): number {
  if (name === 'shoppers') return -1;
  if (outside.has(name)) return 100;
  if (name.startsWith('db-')) return 50 + order.indexOf(name.slice('db-'.length));
  return order.indexOf(name.replace(/-\d+$/, ''));
}

/** Orders by the request that placed them: `#3 ord_…`. */
function ordersOf(events: readonly TraceEvent[]): PageData['orders'] {
  const names = new Map<string, string>();
  for (const { kind, text, about = [] } of events) {
    const request = /^#(\d+) place:/.exec(text);
    const id = about.find((each) => each.startsWith('ord_'));
    if (kind === 'client' && request && id && !names.has(id)) names.set(id, `#${request[1]} ${id}`);
  }
  return [...names].map(([id, name]) => ({ id, name }));
}

/** Checks name orders, requests and keys, which are made of them: `place-3` is that of operation 3. */
export function suspectsIn(detail: string): string[] {
  const keys = detail.matchAll(/\b(?:place|cancel|return|refund|receive|adjust)-(\d+)\b|\boperation (\d+)/g);
  return [...new Set([...idsIn(detail), ...[...keys].map(([, one, other]) => `op-${one ?? other}`)])];
}
