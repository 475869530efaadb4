import type { Plan } from './plan.ts';
import type { Violation } from './simulation.ts';
import type { TraceEvent } from './trace.ts';

/** More would make a page that no browser likes to draw. */
const eventsMax = 6_000;
const laneWidth = 130;
const rowHeight = 14;
const top = 60;

const colours: Readonly<Record<string, string>> = {
  message: '#3b6ea5',
  lost: '#c0392b',
  provider: '#7d5ba6',
  sql: '#b8b8b8',
  fault: '#c0392b',
  node: '#e67e22',
  client: '#1e8449',
  check: '#c0392b',
};

export interface PageOptions {
  readonly title: string;
  readonly replay: string;
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly events: readonly TraceEvent[];
}

/**
 * A space-time diagram (Lamport 1978) as one page without any script from elsewhere: nodes are vertical lines, time goes
 * down, messages are arrows from where and when they left to where and when they arrived. Rows are events, not
 * milliseconds: a millisecond in which much happens gets the room that it needs.
 */
export function spaceTimePage({ title, replay, plan, violations, events }: PageOptions): string {
  const drawn = events.filter(({ kind }) => kind !== 'log' && kind !== 'check').slice(0, eventsMax);
  const lanes = lanesOf(drawn);
  const x = (node: string) => (lanes.get(node) ?? 0) * laneWidth + laneWidth;
  const y = rowsOf(drawn);
  const height = top + drawn.length * rowHeight + 40;
  const width = (lanes.size + 2) * laneWidth;
  const lines = [...lanes].map(
    ([node]) =>
      `<line x1="${x(node)}" y1="${top - 20}" x2="${x(node)}" y2="${height}" class="lane"/>` +
      `<text x="${x(node)}" y="${top - 28}" class="name">${escapeHtml(node)}</text>`,
  );
  const marks = drawn.map((event, i) => drawEvent(event, top + i * rowHeight, x, y));
  const left = events.length > drawn.length ? `<p>The first ${drawn.length} events are drawn.</p>` : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>
body { font: 13px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff }
svg { font: 10px ui-monospace, monospace; display: block }
.lane { stroke: #ddd } .name { font-weight: bold; text-anchor: middle } .time { fill: #999 }
pre { background: #f5f5f5; padding: .7rem; overflow: auto; max-height: 20rem } .violated { color: #c0392b }
.scroll { overflow: auto; border-top: 1px solid #ddd }
</style></head><body>
<h1>${escapeHtml(title)}</h1>
<p>Replay: <code>${escapeHtml(replay)}</code></p>
<ul class="violated">${violations.map(({ check, detail }) => `<li><b>${escapeHtml(check)}</b>: ${escapeHtml(detail)}</li>`).join('')}</ul>
<details><summary>The plan of this run</summary><pre>${escapeHtml(JSON.stringify(plan, null, 2))}</pre></details>
${left}
<div class="scroll"><svg width="${width}" height="${height}" role="img" aria-label="Space-time diagram">
<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0 8 4 0 8z" fill="#3b6ea5"/></marker></defs>
${lines.join('\n')}
${marks.join('\n')}
</svg></div></body></html>
`;
}

function lanesOf(events: readonly TraceEvent[]): Map<string, number> {
  const names = new Set<string>();
  for (const { node, from } of events) {
    if (node) names.add(node);
    if (from) names.add(from);
  }
  // Users at the left, databases and the provider at the right: calls run through the middle.
  const rank = (name: string) => (name === 'shoppers' ? 0 : name.startsWith('db-') ? 2 : name === 'provider' ? 3 : 1);
  const sorted = [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return new Map(sorted.map((name, i) => [name, i]));
}

/** Where a moment is on the page: the row of the first event that is not before it. */
function rowsOf(events: readonly TraceEvent[]): (atMs: number) => number {
  return (atMs) => {
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle] as TraceEvent).atMs < atMs) low = middle + 1;
      else high = middle;
    }
    return top + low * rowHeight;
  };
}

function drawEvent(event: TraceEvent, y: number, x: (node: string) => number, rowOf: (atMs: number) => number): string {
  const { kind, node, from, sentAtMs, text, detail, atMs } = event;
  const colour = colours[kind] ?? '#555';
  const title = `<title>${escapeHtml(`${atMs.toFixed(2)} ms ${text} ${detail ?? ''}`)}</title>`;
  const time = `<text x="4" y="${y + 3}" class="time">${atMs.toFixed(1)}</text>`;
  if (from !== undefined && sentAtMs !== undefined) {
    const startY = Math.min(rowOf(sentAtMs), y);
    const end = kind === 'lost' ? (x(from) + x(node)) / 2 : x(node);
    const cross = kind === 'lost' ? `<text x="${end}" y="${y + 4}" fill="${colour}">✕</text>` : '';
    const head = kind === 'lost' ? '' : ' marker-end="url(#head)"';
    const arrow = `<line x1="${x(from)}" y1="${startY}" x2="${end}" y2="${y}" stroke="${colour}"${head}/>`;
    return `<g>${title}${time}${arrow}${cross}<text x="${end + 5}" y="${y + 3}" fill="${colour}">${escapeHtml(text)}</text></g>`;
  }
  if (kind === 'sql') {
    const label = `<text x="${x(node) + 5}" y="${y + 3}" fill="#999">${escapeHtml((detail ?? text).slice(0, 40))}</text>`;
    return `<g>${title}${time}<line x1="${x(from ?? node)}" y1="${y}" x2="${x(node)}" y2="${y}" stroke="${colour}" stroke-dasharray="2 3"/>${label}</g>`;
  }
  const shape = kind === 'client' ? 3 : 5;
  return `<g>${title}${time}<circle cx="${x(node)}" cy="${y}" r="${shape}" fill="${colour}"/><text x="${x(node) + 8}" y="${y + 3}" fill="${colour}">${escapeHtml(text)}</text></g>`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] as string);
}
