import type { Counts } from '../counters.ts';
import type { Plan } from '../plan.ts';
import type { Violation } from '../simulation.ts';
import type { TraceEvent } from '../trace.ts';
import { drawDiagram } from './diagram.ts';
import { escapeHtml } from './html.ts';
import { rowsOf } from './rows.ts';
import { styles } from './styles.ts';

export interface PageOptions {
  readonly title: string;
  readonly replay: string;
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly faults: Counts;
  readonly checks: Counts;
  readonly events: readonly TraceEvent[];
}

/** A run as one page, without any script and without anything from elsewhere: it can be mailed and kept. */
export function spaceTimePage(options: PageOptions): string {
  const { title, replay, plan, violations, faults, checks, events } = options;
  const { rows, left } = rowsOf(events);
  const { head, body } = drawDiagram(rows);
  const seconds = ((events.at(-1)?.atMs ?? 0) / 1000).toFixed(1);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width"><style>${styles}</style></head><body>
<header>
<h1>${escapeHtml(title)} <small>${seconds} simulated seconds, ${events.length} events</small></h1>
${verdict(violations)}
<p class="replay">Replay: <code>${escapeHtml(replay)}</code></p>
</header>
<div class="facts">${counts('Faults injected', faults)}${counts('Checks made', checks)}
<details><summary>The plan of this run</summary><pre>${escapeHtml(JSON.stringify(plan, null, 2))}</pre></details></div>
${legend}
${left > 0 ? `<p>The first ${rows.length} rows are drawn; ${left} events are left out. <code>--minimise</code> makes it shorter.</p>` : ''}
<div class="scroll"><div class="names">${head}</div>${body}</div>
</body></html>
`;
}

function verdict(violations: readonly Violation[]): string {
  if (violations.length === 0) return '<p class="good">Nothing was violated.</p>';
  const lines = violations.map(
    ({ check, detail }) => `<li><b>${escapeHtml(check)}</b><br>${escapeHtml(detail.slice(0, 400))}</li>`,
  );
  return `<ul class="violated">${lines.join('')}</ul>`;
}

function counts(name: string, values: Counts): string {
  const rows = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  const total = rows.reduce((sum, [, count]) => sum + count, 0);
  const cells = rows.map(([what, count]) => `<tr><td>${escapeHtml(what)}</td><td>${count}</td></tr>`).join('');
  return `<details><summary>${name}: ${total}</summary><table>${cells}</table></details>`;
}

const legend = `<p class="legend">
<span class="message">→ message</span> <span class="provider">→ provider, mail</span> <span class="sql">┄ SQL</span>
<span class="lost">✕ lost</span> <span class="fault">◆ fault</span> <span class="node">● start, crash, pause</span>
<span class="client">● what a shopper saw</span> <span>Point at anything for its time and words. Time goes down; rows are events.</span></p>`;
