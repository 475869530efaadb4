import type { Mismatch, MoneyRow, ReplayReport } from '#lab/replay';
import { inColumns } from './columns.ts';

export interface RunFacts {
  readonly ordersSent: number;
  readonly ordersPerSec: number;
  readonly elapsedMs: number;
  readonly skipped: number;
  readonly rejectsPath?: string;
}

const mismatchesShown = 20;

/** The reconciliation for people: what was read, what was booked, and whether the two are the same. */
export function renderReport(report: ReplayReport, run: RunFacts): string {
  const { lines, money, units, payments, operations } = report;
  return [
    '',
    table(
      ['lines', 'read', 'sold', 'returned', 'fees', 'adjusted', 'rejected'],
      [['', lines.read, lines.sold, lines.returned, lines.fees, lines.adjusted, lines.rejected].map(cell)],
    ),
    '',
    moneyTable('month', money.byMonth),
    '',
    moneyTable('country', money.byCountry),
    '',
    `units      received ${count(units.received)}, sold ${count(units.sold)}, returned ${count(units.returned)}, adjusted ${count(units.adjusted)}: ${units.conserved ? 'conserved' : 'NOT CONSERVED'}`,
    `payments   captured ${amount(payments.capturedMinor)} for orders of ${amount(payments.ordersMinor)}, refunded ${amount(payments.refundedMinor)} for returns of ${amount(payments.returnsMinor)}: ${payments.balanced ? 'balanced' : 'NOT BALANCED'}`,
    `operations ${Object.entries(operations)
      .map(([name, value]) => `${count(value)} ${name}`)
      .join(', ')}`,
    ...rejectLines(report, run),
    speedLine(run),
    ...mismatchLines(report),
    '',
    report.ok
      ? 'The books balance, to the penny and the unit.'
      : `The books do not balance: ${count(report.mismatchCount)} differences.`,
  ].join('\n');
}

function moneyTable(title: string, rows: Readonly<Record<string, MoneyRow>>): string {
  const names = Object.keys(rows);
  const body = names.map((name) => {
    const row = rows[name] as MoneyRow;
    const sums = [row.soldMinor, row.returnedMinor, row.feesMinor, row.rejectedMinor];
    return [name, ...[...sums, row.expectedMinor, row.actualMinor, row.differenceMinor].map(amount)];
  });
  return table([title, 'sold', 'returned', 'fees', 'rejected', 'file', 'shop', 'difference'], body);
}

function rejectLines({ rejects, lines }: ReplayReport, { rejectsPath }: RunFacts): string[] {
  if (lines.rejected === 0) return [];
  const reasons = Object.entries(rejects).map(([reason, value]) => `${count(value)} ${reason}`);
  return [`rejected   ${reasons.join(', ')}${rejectsPath === undefined ? '' : ` (see ${rejectsPath})`}`];
}

function speedLine({ ordersSent, ordersPerSec, elapsedMs, skipped }: RunFacts): string {
  const passed = skipped > 0 ? `; ${count(skipped)} operations were done by an earlier run` : '';
  return `speed      ${count(ordersSent)} orders, ${ordersPerSec} orders/s, ${(elapsedMs / 1000).toFixed(1)} s in all${passed}`;
}

function mismatchLines({ mismatches, mismatchCount }: ReplayReport): string[] {
  if (mismatchCount === 0) return [];
  const shown = mismatches.slice(0, mismatchesShown);
  const rest = mismatchCount - shown.length;
  return [
    '',
    table(
      ['check', 'what', 'expected', 'found'],
      shown.map(({ check, subject, expected, actual }: Mismatch) => [check, subject, cell(expected), cell(actual)]),
    ),
    ...(rest > 0 ? [`and ${count(rest)} more: --json names the first 200`] : []),
  ];
}

/** The first column to the left, figures to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return inColumns([head, ...rows], 1).join('\n');
}

const cell = (value: number | string): string => (typeof value === 'number' ? count(value) : value);
const count = (value: number): string => value.toLocaleString('en-US');
const amount = (minor: number): string =>
  (minor / 100).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
