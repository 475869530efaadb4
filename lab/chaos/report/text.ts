import { styleText } from 'node:util';
import { inColumns } from '../../../cli/columns.ts';
import type { Fault, FaultClass } from '../faults/fault.ts';
import type { FaultRecord } from '../nemesis.ts';
import type { ChaosResult } from '../run.ts';
import type { Scenario, Skipped } from '../scenarios.ts';
import type { PlannedFault } from '../schedule.ts';

export interface FaultTotal {
  readonly class: FaultClass;
  readonly injected: number;
  /** Effects that were observed. */
  readonly effects: number;
}

export function faultTotals(records: readonly FaultRecord[]): Record<string, FaultTotal> {
  const totals: Record<string, FaultTotal> = {};
  for (const { fault, class: of, effects, failed } of records) {
    const before = totals[fault] ?? { class: of, injected: 0, effects: 0 };
    const injected = before.injected + (failed === undefined ? 1 : 0);
    totals[fault] = { class: of, injected, effects: before.effects + effects };
  }
  return totals;
}

/** What `--json` prints: stable. */
export function jsonOf(result: ChaosResult, skipped: readonly Skipped[]) {
  const { ok, seed, forMs, topology, faults, checks, orders, violations, operations, quietAfterMs, dataDir } = result;
  return {
    ok,
    faults: faultTotals(faults),
    checks,
    orders,
    violations,
    skipped,
    seed,
    forMs,
    topology,
    operations: operations.length,
    lost: operations.filter(({ reply }) => reply.kind === 'lost').length,
    quietAfterMs: Math.round(quietAfterMs),
    ...(ok ? {} : { dataDir }),
  };
}

const violationsShownMax = 20;

export function reportText(result: ChaosResult, skipped: readonly Skipped[]): string {
  const { ok, seed, topology, orders, checks, violations, operations, quietAfterMs, faults, dataDir } = result;
  const lost = operations.filter(({ reply }) => reply.kind === 'lost').length;
  const lines = [
    `seed ${seed}, ${topology}: ${operations.length} calls (${lost} without an answer), ` +
      `${orders.accepted} orders accepted: ${orders.confirmed} confirmed, ${orders.refused} refused; ` +
      `quiet ${(quietAfterMs / 1000).toFixed(1)} s after the last heal`,
    '',
    ...table(
      ['fault', 'class', 'injected', 'effects'],
      Object.entries(faultTotals(faults)).map(([name, total]) => [
        name,
        total.class,
        String(total.injected),
        total.effects === 0 ? 'not felt' : String(total.effects),
      ]),
    ),
    ...(skipped.length === 0 ? [] : ['', ...skipped.map(({ fault, why }) => `SKIPPED ${fault}: ${why}`)]),
    '',
    ...table(
      ['check', 'looked at'],
      Object.entries(checks).map(([name, count]) => [name, String(count)]),
    ),
    '',
  ];
  if (ok) lines.push(styleText('green', 'Everything holds.'));
  for (const { guarantee, detail } of violations.slice(0, violationsShownMax)) {
    lines.push(`${styleText('red', 'violated')} ${guarantee}: ${detail}`);
  }
  if (violations.length > violationsShownMax) lines.push(`… and ${violations.length - violationsShownMax} more`);
  if (!ok) lines.push(`The data is kept in ${dataDir}: "holdfast verify --data-dir ${dataDir}" looks at it again.`);
  return lines.join('\n');
}

export function scheduleText(schedule: readonly PlannedFault[]): string {
  const rows = schedule.map(({ atMs, fault, target, durationMs }) => [
    seconds(atMs),
    fault,
    target,
    seconds(durationMs),
  ]);
  return table(['at s', 'fault', 'target', 'for s'], rows).join('\n');
}

export function listText(scenarios: readonly Scenario[], faults: readonly Fault[]): string {
  const stories = scenarios.map(({ name, does }) => `scenario    ${name.padEnd(18)} ${does}`);
  const kinds = faults.map((fault) => {
    const why = fault.missing?.();
    const note = why !== undefined ? ` (SKIPPED here: ${why})` : fault.privileged ? ' (--privileged)' : '';
    return `${fault.class.padEnd(11)} ${fault.name.padEnd(18)} ${fault.does}${note}`;
  });
  return [...stories, '', ...kinds].join('\n');
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return inColumns([head, ...rows], head.length);
}
