import type { TraceEvent } from '../trace.ts';

/** One line of the diagram: an event, or statements in a row from one process to one database. */
export interface Row {
  readonly event: TraceEvent;
  /** SQL of this row, oldest first. */
  readonly statements: readonly string[];
}

/** More would make a page that no browser likes to draw. */
const rowsMax = 4_000;

export interface Rows {
  readonly rows: readonly Row[];
  /** Events that are not drawn, as there are too many. */
  readonly left: number;
}

/** What is drawn, in the order of time. Log lines are for the transcript; a check counts where it found something. */
export function rowsOf(events: readonly TraceEvent[]): Rows {
  const drawn = events.filter(({ kind, text }) => kind !== 'log' && (kind !== 'check' || text.startsWith('VIOLATED')));
  const rows: { event: TraceEvent; statements: string[] }[] = [];
  let used = 0;
  for (const event of drawn) {
    const last = rows.at(-1);
    const words = event.kind === 'sql' ? [event.detail ?? event.text] : [];
    if (last && event.kind === 'sql' && last.event.kind === 'sql' && isSameLink(last.event, event)) {
      last.statements.push(...words);
    } else {
      if (rows.length >= rowsMax) break;
      rows.push({ event, statements: words });
    }
    used += 1;
  }
  return { rows, left: drawn.length - used };
}

const isSameLink = (a: TraceEvent, b: TraceEvent): boolean => a.from === b.from && a.node === b.node;

/** Nodes from left to right: people, services, databases, and the world outside, so that calls run through the middle. */
export function lanesOf(rows: readonly Row[]): string[] {
  const names = new Set<string>();
  for (const { event } of rows) {
    if (event.node) names.add(event.node);
    if (event.from) names.add(event.from);
  }
  return [...names].sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));
}

const outside = new Set(['provider', 'mail']);
const order = ['orders', 'catalogue', 'inventory', 'payments', 'reader', 'notifications', 'analytics'];

function rankOf(name: string): number {
  if (name === 'shoppers') return -1;
  if (outside.has(name)) return 100;
  if (name.startsWith('db-')) return 50 + order.indexOf(name.slice('db-'.length));
  return order.indexOf(name.replace(/-\d+$/, ''));
}

/** The row of the first event that is not before `atMs`. */
export function rowAt(rows: readonly Row[], atMs: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as Row).event.atMs < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
