/**
 * What a service promises over a period, and how fast it spends what it may fail: Google's SRE workbook, chapter 5
 * ("Alerting on SLOs"), with its multi-window, multi-burn-rate alerts.
 */
export interface Objective {
  /** What is promised of: `orders.place`. */
  readonly key: string;
  /** `availability`: requests that do not fail. `latency`: of those, requests that are quick enough. */
  readonly kind: 'availability' | 'latency';
  /** Share of good requests, below 1: 0.999. */
  readonly target: number;
  /** What quick enough is; of `latency` alone. A bound of the histogram that it is read from. */
  readonly withinSec?: number;
}

/** What was counted of an objective within some time. */
export interface Counted {
  readonly total: number;
  readonly bad: number;
}

/** Of which an objective is promised, and its budget given: 30 days. */
export const periodMs = 30 * 86_400_000;

const minuteMs = 60_000;
const hourMs = 3_600_000;

export interface BurnRule {
  readonly severity: 'page' | 'ticket';
  /** Times as fast as the budget would last exactly the period. */
  readonly factor: number;
  /** Long enough to matter … */
  readonly longMs: number;
  /** … and still going on: so that an alert ends soon after its cause. */
  readonly shortMs: number;
}

/** 2 % of the budget in an hour, 5 % in six, 10 % in three days. */
export const burnRules: readonly BurnRule[] = [
  { severity: 'page', factor: 14.4, longMs: hourMs, shortMs: 5 * minuteMs },
  { severity: 'page', factor: 6, longMs: 6 * hourMs, shortMs: 30 * minuteMs },
  { severity: 'ticket', factor: 1, longMs: 72 * hourMs, shortMs: 6 * hourMs },
];

/** The windows that the rules look at, shortest first. */
export const windowsMs: readonly number[] = [5 * minuteMs, 30 * minuteMs, hourMs, 6 * hourMs, 72 * hourMs];

/** With next to no requests one failure is a large share: fewer bad ones than this in the long window wake nobody. */
export const badMin = 5;

/** 1: the budget lasts exactly the period. 0 where there was nothing. */
export function burnRate({ total, bad }: Counted, target: number): number {
  return total === 0 ? 0 : bad / total / (1 - target);
}

/** What is left of the budget, 1 at best; below 0 the objective is missed. */
export function budgetLeft({ total, bad }: Counted, target: number): number {
  return total === 0 ? 1 : 1 - bad / (total * (1 - target));
}

/** Severities of the rules that fire, given what each window counted. */
export function firing(target: number, countedIn: (windowMs: number) => Counted): readonly BurnRule[] {
  return burnRules.filter(({ factor, longMs, shortMs }) => {
    const long = countedIn(longMs);
    if (long.bad < badMin || burnRate(long, target) < factor) return false;
    return burnRate(countedIn(shortMs), target) >= factor;
  });
}
