import { type BurnRule, budgetLeft, burnRate, type Counted, firing, type Objective, windowsMs } from './budget.ts';
import { type History, readState, type Tallies } from './history.ts';

/** How an objective stands. */
export interface ObjectiveStatus {
  readonly objective: Objective;
  /** Over the period. */
  readonly counted: Counted;
  /** What is left of the budget, 1 at best; below 0 the objective is missed. */
  readonly budgetLeft: number;
  /** By window in ms: 1 is as fast as the budget would last exactly the period. */
  readonly burnRates: Readonly<Record<number, number>>;
  /** The rules that fire now, most urgent first. */
  readonly alerts: readonly BurnRule[];
}

const none: Tallies = [0, 0, 0];

/** How the objectives stand whose keys had requests in the period, what fires and what has least left first. */
export function statusOf(objectives: readonly Objective[], history: History, nowMs: number): ObjectiveStatus[] {
  const { windows, period } = readState(history, nowMs);
  return objectives
    .filter(({ key }) => period.has(key))
    .map((objective) => {
      const { key, target } = objective;
      const countedIn = (windowMs: number) => countedOf(objective, windows.get(windowMs)?.get(key) ?? none);
      const counted = countedOf(objective, period.get(key) ?? none);
      return {
        objective,
        counted,
        budgetLeft: budgetLeft(counted, target),
        burnRates: Object.fromEntries(windowsMs.map((windowMs) => [windowMs, burnRate(countedIn(windowMs), target)])),
        alerts: firing(target, countedIn),
      };
    })
    .sort((a, b) => b.alerts.length - a.alerts.length || a.budgetLeft - b.budgetLeft);
}

/** A request that failed was not quick either, but spends one budget only: that of availability. */
function countedOf({ kind }: Objective, [total, failed, slow]: Tallies): Counted {
  return kind === 'availability' ? { total, bad: failed } : { total: total - failed, bad: slow };
}
