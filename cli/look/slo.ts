import { createHistoryReader, type ObjectiveStatus, statusOf, windowsMs } from '#kit/objectives';
import { systemClock } from '#kit/runtime';
import { inColumns } from '../columns.ts';
import { type ExitCode, exitCodes } from '../failure.ts';
import { shopObjectives, viewObjectives, windowName } from '../objectives.ts';
import { createScreen } from '../screen.ts';
import { keptRoot } from './kept-root.ts';

export interface SloOptions {
  readonly json: boolean;
  readonly dataDir?: string;
}

/** How what is promised stands, from what the gateways wrote down. Ends with 5 when somebody should be woken. */
export async function sloCommand({ json, dataDir }: SloOptions): Promise<ExitCode> {
  const screen = createScreen(json);
  const reader = createHistoryReader(keptRoot(dataDir));
  reader.read();
  const status = statusOf(shopObjectives(), reader.history, systemClock.now());
  const pages = status.some(({ alerts }) => alerts.some(({ severity }) => severity === 'page'));
  screen.result({ ok: !pages, objectives: viewObjectives(status) });
  if (!json) screen.say(status.length === 0 ? 'No requests in the last 30 days.' : sloTable(status));
  return pages ? exitCodes.checkFailed : exitCodes.ok;
}

const columns = ['OPERATION', 'PROMISED', 'REQUESTS', 'BAD', 'BUDGET LEFT', ...windowsMs.map(windowName), 'ALERT'];

export function sloTable(status: readonly ObjectiveStatus[]): string {
  const rows = status.map(({ objective, counted, budgetLeft, burnRates, alerts }) => [
    ...[objective.key, promiseOf(objective), String(counted.total), String(counted.bad), percent(budgetLeft)],
    ...windowsMs.map((windowMs) => (burnRates[windowMs] ?? 0).toFixed(1)),
    alerts[0] ? `${alerts[0].severity} (${windowName(alerts[0].longMs)})` : '-',
  ]);
  return [
    ...inColumns([columns, ...rows], 2),
    '',
    'Burn rates by window: 1 lasts exactly 30 days. A page: 14.4 over 1h and 5m, or 6 over 6h and 30m.',
  ].join('\n');
}

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`;

function promiseOf({ target, withinSec }: ObjectiveStatus['objective']): string {
  const share = `${Number((100 * target).toPrecision(6))} %`;
  return withinSec === undefined ? `${share} answered` : `${share} within ${withinSec * 1_000} ms`;
}
