import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Counts } from '../counters.ts';
import type { Plan } from '../plan.ts';
import type { Violation } from '../simulation.ts';
import type { TraceEvent } from '../trace.ts';
import { escapeHtml, scriptJson } from './html.ts';
import { pageData, suspectsIn } from './page-data.ts';

export interface PageOptions {
  readonly title: string;
  /** What the run was: the planted bug and what it does. */
  readonly subtitle?: string;
  readonly replay: string;
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly faults: Counts;
  readonly checks: Counts;
  readonly events: readonly TraceEvent[];
}

const part = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

/** A run as one page, with nothing from elsewhere: it can be mailed and kept. */
export function spaceTimePage(options: PageOptions): string {
  const { title, subtitle, replay, plan, violations, faults, checks, events } = options;
  const data = pageData(events, violations);
  const seconds = ((events.at(-1)?.atMs ?? 0) / 1000).toFixed(1);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)} · Holdfast simulation</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>${part('viewer.css')}</style></head><body>
<header>
<h1>${escapeHtml(title)} <small>${seconds} simulated seconds, ${events.length.toLocaleString('en')} events</small></h1>
${subtitle === undefined ? '' : `<p class="subtitle">${escapeHtml(subtitle)}</p>`}
${verdict(violations)}
<p class="replay">Replay <code>${escapeHtml(replay)}</code></p>
<div class="facts">${counts('Faults injected', faults)}${counts('Checks made', checks)}
<details><summary>Plan</summary><pre>${escapeHtml(JSON.stringify(plan, null, 2))}</pre></details>
<details><summary>Keys</summary>${keys}</details></div>
</header>
<main>
${toolbar}
${data.left > 0 ? `<p class="left">${data.left} later events are left out: <code>--minimise</code> makes the run shorter.</p>` : ''}
<div id="frame"><div id="scroll" tabindex="0" role="region" aria-label="Space-time diagram: time goes down, one line a node">
<div id="names"></div><div id="canvas"><div id="times"></div><svg id="diagram" xmlns="http://www.w3.org/2000/svg" aria-hidden="true"></svg></div>
</div><div id="whole"><canvas id="overview" title="The whole run: faults, losses, violations. Click to go there."></canvas><div id="sight"></div></div></div>
<section id="told" aria-live="polite" hidden></section>
<noscript><p>The diagram is drawn by a script. The same as text: <code>${escapeHtml(replay)}</code></p></noscript>
</main>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script type="module">${part('viewer.js')}</script>
</body></html>
`;
}

function verdict(violations: readonly Violation[]): string {
  if (violations.length === 0) return '<p class="good">Nothing was violated.</p>';
  const lines = violations.map(({ check, detail }) => {
    const links = suspectsIn(detail).map(
      (id) => `<button data-follow="${id}" title="${id}">follow ${shortId(id)}</button>`,
    );
    return `<li><b>${escapeHtml(check)}</b> ${escapeHtml(detail.slice(0, 400))} ${links.join(' ')}</li>`;
  });
  return `<ul class="violated" aria-label="Violated">${lines.join('')}</ul>`;
}

const shortId = (id: string): string => (id.length > 12 ? `…${id.slice(-7)}` : id);

function counts(name: string, values: Counts): string {
  const rows = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  const total = rows.reduce((sum, [, count]) => sum + count, 0);
  const cells = rows.map(([what, count]) => `<tr><td>${escapeHtml(what)}</td><td>${count}</td></tr>`).join('');
  return `<details><summary>${name}: ${total.toLocaleString('en')}</summary><table>${cells}</table></details>`;
}

const kinds: readonly (readonly [kind: string, name: string])[] = [
  ['message', 'calls'],
  ['lost', 'lost'],
  ['provider', 'provider, mail'],
  ['client', 'shoppers'],
  ['fault', 'faults'],
  ['node', 'starts, crashes'],
  ['sql', 'SQL'],
  ['log', 'log'],
];

const toolbar = `<div class="toolbar" role="toolbar" aria-label="What is shown">
<label>Order <select id="order"><option value="">all</option></select></label>
<input id="words" type="search" placeholder="Find: node, call, words  ( / )" aria-label="Find words">
<span class="kinds">${kinds
  .map(
    ([kind, name]) =>
      `<label class="${kind}"><input type="checkbox" id="kind-${kind}" data-kind="${kind}"> ${name}</label>`,
  )
  .join('')}</span>
<span id="hidden"></span><button id="following" data-follow="" title="Show everything again" hidden></button>
<span id="count" role="status"></span><button id="theme" title="Light or dark (t)">◐</button></div>`;

const keys = `<table>
<tr><td><kbd>↓</kbd> <kbd>↑</kbd> or <kbd>j</kbd> <kbd>k</kbd></td><td>next, last event</td></tr>
<tr><td><kbd>f</kbd> <kbd>F</kbd></td><td>next, last fault</td></tr>
<tr><td><kbd>v</kbd> <kbd>V</kbd></td><td>next, last event of what was violated</td></tr>
<tr><td><kbd>s</kbd></td><td>with or without SQL</td></tr>
<tr><td><kbd>/</kbd></td><td>find</td></tr><tr><td><kbd>t</kbd></td><td>light or dark</td></tr>
<tr><td><kbd>Esc</kbd></td><td>everything again</td></tr></table>
<p>A click on a node’s name hides it. Point at anything, or choose it, for its time and words.</p>`;
