import type { Fault } from '../faults/fault.ts';
import type { FaultRecord } from '../nemesis.ts';
import type { ChaosResult } from '../run.ts';
import type { Skipped } from '../scenarios.ts';
import { drawChart, kindOf } from './chart.ts';
import { type Cell, escapeHtml, tableOf } from './html.ts';
import { classes } from './lanes.ts';
import { styles } from './styles.ts';
import { faultTotals } from './text.ts';

export interface PageOptions {
  readonly result: ChaosResult;
  readonly skipped: readonly Skipped[];
  /** What each fault is, in words. */
  readonly known: readonly Fault[];
  readonly replay: string;
}

/** A run as one page, without any script and without anything from elsewhere: it can be mailed and kept. */
export function reportPage(options: PageOptions): string {
  const { result, skipped, known, replay } = options;
  const { seed, topology, forMs, faults, checks } = result;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Holdfast chaos, seed ${seed}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${styles}</style></head><body>
<header><h1>Chaos, seed ${seed}<small>${escapeHtml(topology)}, faults for ${forMs / 1_000} s</small></h1>${verdictOf(result)}</header>
${violationsOf(result)}
${figuresOf(result)}
<div class="card">${drawChart(result, 'wide')}${drawChart(result, 'narrow')}${legend}</div>
<div class="columns"><section><h2>Faults</h2>${faultTable(faults, known)}${skippedTable(skipped)}</section>
<section><h2>Checks</h2>${checkTable(checks, result)}</section></div>
<h2>What was done, when</h2>${timeTable(faults)}
<footer><p>Again: <code>${escapeHtml(replay)}</code><br>The same faults at the same times; what real processes make of them differs a little each time.</p>
<p>Beside this page: <a href="report.json">report.json</a> and <a href="history.ndjson">history.ndjson</a>, what every client asked and was told, for <code>holdfast check history.ndjson</code>.</p></footer>
</body></html>
`;
}

function verdictOf({ ok, violations }: ChaosResult): string {
  if (ok) return '<span class="verdict ok">✓ Everything holds</span>';
  const count = violations.length === 1 ? '1 violation' : `${violations.length} violations`;
  return `<span class="verdict bad">✗ ${count}</span>`;
}

const violationsShownMax = 50;

function violationsOf({ violations }: ChaosResult): string {
  if (violations.length === 0) return '';
  const left = violations.length - violationsShownMax;
  const items = violations
    .slice(0, violationsShownMax)
    .map(({ guarantee, detail }) => `<li><b>${escapeHtml(guarantee)}</b><br>${escapeHtml(detail)}</li>`);
  return `<ul class="violations">${items.join('')}${left > 0 ? `<li>and ${left} more in report.json</li>` : ''}</ul>`;
}

function figuresOf({ orders, operations, faults, quietAfterMs }: ChaosResult): string {
  const count = (kind: string) => operations.filter((operation) => kindOf(operation) === kind).length;
  const figures: [string | number, string][] = [
    [orders.accepted, 'orders accepted'],
    [orders.confirmed, 'confirmed'],
    [orders.refused, 'refused: sold out, declined'],
    [operations.length, 'calls of clients'],
    [count('later'), 'told to come again'],
    [count('lost'), 'without an answer'],
    [faults.length, 'faults injected'],
    [`${(quietAfterMs / 1_000).toFixed(1)} s`, 'from the last heal to rest'],
  ];
  const cards = figures.map(([figure, what]) => {
    const shown = typeof figure === 'number' ? figure.toLocaleString('en-US') : figure;
    return `<div><b>${shown}</b><span>${what}</span></div>`;
  });
  return `<div class="figures">${cards.join('')}</div>`;
}

const legend = `<p class="legend"><span><i class="answered"></i>a call, answered</span><span><i class="later"></i>told to come again</span>
<span><i class="lost"></i>no answer</span><span><i class="bar" style="background:var(--median)"></i>median of the moment</span></p>`;

function faultTable(faults: readonly FaultRecord[], known: readonly Fault[]): string {
  const byClass = Object.entries(faultTotals(faults)).sort(
    ([, a], [, b]) => classes.indexOf(a.class) - classes.indexOf(b.class),
  );
  const rows = byClass.map(([name, total]): Cell[] => [
    { text: name, class: `name ${total.class}` },
    { text: known.find((fault) => fault.name === name)?.does ?? '', class: 'soft does' },
    total.injected,
    total.effects === 0 ? { text: 'not felt', class: 'number failed' } : total.effects,
  ]);
  return tableOf(['fault', { text: 'what it does', class: 'does' }, right('injected'), right('effects')], rows);
}

function skippedTable(skipped: readonly Skipped[]): string {
  if (skipped.length === 0) return '';
  return `<h2>Skipped</h2>${tableOf(
    ['fault', 'why'],
    skipped.map(({ fault, why }) => [
      { text: fault, class: 'name' },
      { text: why, class: 'soft' },
    ]),
  )}`;
}

function checkTable(checks: ChaosResult['checks'], { violations }: ChaosResult): string {
  const broken = new Set(violations.map(({ guarantee }) => guarantee));
  const rows = Object.entries(checks).map(([name, looked]): Cell[] => [
    { text: `${broken.has(name) ? '✗' : '✓'} ${name}`, class: broken.has(name) ? 'failed' : '' },
    looked,
  ]);
  return tableOf(['check', right('looked at')], rows);
}

function timeTable(faults: readonly FaultRecord[]): string {
  const rows = faults.map((fault): Cell[] => [
    right((fault.startMs / 1_000).toFixed(1)),
    { text: fault.fault, class: `name ${fault.class}` },
    fault.target,
    fault.failed === undefined
      ? { text: fault.detail, class: 'soft does' }
      : { text: fault.failed, class: 'failed does' },
    right(((fault.endMs - fault.startMs) / 1_000).toFixed(1)),
    fault.effects,
  ]);
  return tableOf(
    [right('at s'), 'fault', 'target', { text: 'detail', class: 'does' }, right('for s'), right('effects')],
    rows,
  );
}

const right = (text: string): Cell => ({ text, class: 'number' });
