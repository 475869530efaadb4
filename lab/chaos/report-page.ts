import type { FaultRecord } from './nemesis.ts';
import { faultTotals } from './report.ts';
import type { ChaosResult } from './run.ts';
import type { Skipped } from './scenarios.ts';
import type { Operation } from './workload.ts';

const width = 1120;
const left = 60;
const plotHeight = 260;
const laneHeight = 16;
/** Points drawn; of more, the slowest of each moment are kept, for they are what one looks for. */
const pointsMax = 4_000;
const colours: Readonly<Record<string, string>> = {
  process: '#d1495b',
  network: '#30638e',
  disk: '#6d597a',
  clock: '#8a6d00',
  dependency: '#0b6e6e',
};

/** The run as a page that stands alone: latency over time, the faults drawn below it, the tables. */
export function reportPage(result: ChaosResult, skipped: readonly Skipped[], replay: string): string {
  const { ok, seed, topology, orders, checks, violations, faults } = result;
  const verdict = ok ? '<p class="ok">Everything holds.</p>' : `<p class="bad">${violations.length} violations</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Holdfast chaos, seed ${seed}</title>
<meta name="viewport" content="width=device-width">
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: ${width}px; padding: 0 1rem; color: #1d2b36 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #dde3e8; vertical-align: top }
.ok { color: #1f7a4a; font-weight: 600 } .bad { color: #c0392b; font-weight: 600 } code { background: #f2f4f6; padding: .1rem .3rem }
svg { width: 100%; height: auto } .note { color: #5c6b77 }
</style></head><body>
<h1>Chaos, seed ${seed}, ${escaped(topology)}</h1>
${verdict}
<p>${orders.accepted} orders accepted: ${orders.confirmed} confirmed, ${orders.refused} refused. Again: <code>${escaped(replay)}</code></p>
${chart(result)}
<p class="note">Each point is a call of a client: how long it took, when it ended. Red: no answer, or one that says to try again.
Bars are faults, from injection to heal.</p>
<h2>Violations</h2>${rows(
    ['guarantee', 'what was seen'],
    violations.map(({ guarantee, detail }) => [guarantee, detail]),
  )}
<h2>Faults</h2>${rows(
    ['fault', 'class', 'injected', 'effects'],
    Object.entries(faultTotals(faults)).map(([name, total]) => [name, total.class, total.injected, total.effects]),
  )}
${
  skipped.length === 0
    ? ''
    : rows(
        ['skipped', 'why'],
        skipped.map(({ fault, why }) => [fault, why]),
      )
}
<h2>Checks</h2>${rows(['check', 'looked at'], Object.entries(checks))}
<h2>What was done, when</h2>${rows(
    ['s', 'fault', 'target', 'detail', 'for s', 'effects'],
    faults.map((fault) => [
      (fault.startMs / 1000).toFixed(1),
      fault.fault,
      fault.target,
      fault.failed ?? fault.detail,
      ((fault.endMs - fault.startMs) / 1000).toFixed(1),
      fault.effects,
    ]),
  )}
</body></html>
`;
}

function chart({ operations, faults, forMs }: ChaosResult): string {
  const endMs = Math.max(forMs, ...faults.map((fault) => fault.endMs), lastOf(operations));
  const x = (ms: number) => left + (ms / endMs) * (width - left - 10);
  const lanes = lanesOf(faults);
  const height = plotHeight + 40 + lanes.length * laneHeight;
  const marks = ticks(endMs / 1000).map((second) => {
    const at = x(second * 1000).toFixed(1);
    return `<line x1="${at}" x2="${at}" y1="10" y2="${height - 20}" stroke="#dde3e8"/><text x="${at}" y="${height - 6}" text-anchor="middle">${second} s</text>`;
  });
  const levels = [1, 10, 100, 1_000, 10_000].map((ms) => {
    const at = y(ms).toFixed(1);
    return `<line x1="${left}" x2="${width - 10}" y1="${at}" y2="${at}" stroke="#dde3e8"/><text x="${left - 6}" y="${Number(at) + 4}" text-anchor="end">${ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`}</text>`;
  });
  const bars = lanes.flatMap((lane, index) =>
    lane.map((fault) => {
      const top = plotHeight + 20 + index * laneHeight;
      const [from, to] = [x(fault.startMs), x(fault.endMs)];
      const title = `${fault.fault} ${fault.target} ${fault.detail}`;
      return `<g><title>${escaped(title)}</title><rect x="${from.toFixed(1)}" y="10" width="${Math.max(2, to - from).toFixed(1)}" height="${plotHeight}" fill="${colours[fault.class]}" opacity="0.06"/><rect x="${from.toFixed(1)}" y="${top}" width="${Math.max(3, to - from).toFixed(1)}" height="${laneHeight - 4}" rx="2" fill="${colours[fault.class]}"/><text x="${(to + 4).toFixed(1)}" y="${top + 10}">${escaped(`${fault.fault} ${fault.target}`)}</text></g>`;
    }),
  );
  const points = slowest(operations, endMs).map((operation) => {
    const colour = isFailure(operation) ? '#c0392b' : '#30638e';
    return `<circle cx="${x(operation.endMs).toFixed(1)}" cy="${y(operation.reply.tookMs).toFixed(1)}" r="1.6" fill="${colour}"/>`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Latency over time with faults" font-size="11" fill="#5c6b77">${[...marks, ...levels, ...bars, ...points].join('\n')}</svg>`;
}

/** Logarithmic: 1 ms at the bottom, 20 s at the top. */
function y(ms: number): number {
  const share = Math.log10(Math.min(20_000, Math.max(1, ms))) / Math.log10(20_000);
  return 10 + (1 - share) * (plotHeight - 10);
}

const isFailure = ({ reply }: Operation): boolean => reply.kind === 'lost' || reply.status >= 500;

function slowest(operations: readonly Operation[], endMs: number): readonly Operation[] {
  if (operations.length <= pointsMax) return operations;
  const buckets = pointsMax / 8;
  const kept = new Map<number, Operation[]>();
  for (const operation of operations) {
    const bucket = Math.floor((operation.endMs / endMs) * buckets);
    kept.set(bucket, [...(kept.get(bucket) ?? []), operation]);
  }
  return [...kept.values()].flatMap((bucket) => bucket.toSorted((a, b) => b.reply.tookMs - a.reply.tookMs).slice(0, 8));
}

/** Faults that overlap, names included, lie in different lanes. */
function lanesOf(faults: readonly FaultRecord[]): FaultRecord[][] {
  const lanes: FaultRecord[][] = [];
  const labelMs = 4_000;
  for (const fault of faults) {
    const free = lanes.find((lane) => (lane.at(-1)?.endMs ?? 0) + labelMs < fault.startMs);
    if (free) free.push(fault);
    else lanes.push([fault]);
  }
  return lanes;
}

const lastOf = (operations: readonly Operation[]): number =>
  operations.reduce((last, { endMs }) => Math.max(last, endMs), 0);

function ticks(endSec: number): number[] {
  const step = [1, 2, 5, 10, 30, 60, 300, 600, 3_600].find((each) => endSec / each <= 15) ?? 7_200;
  return Array.from({ length: Math.floor(endSec / step) + 1 }, (_, index) => index * step);
}

function rows(head: readonly string[], body: readonly (readonly (string | number)[])[]): string {
  if (body.length === 0) return '<p>none</p>';
  const cells = (row: readonly (string | number)[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${escaped(String(cell))}</${tag}>`).join('')}</tr>`;
  return `<table>${cells(head, 'th')}${body.map((row) => cells(row, 'td')).join('')}</table>`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
