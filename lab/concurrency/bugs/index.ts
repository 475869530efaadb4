import type { Rewrite } from '../../simulator/bugs/rewire.ts';
import type { Parts } from '../parts.ts';
import { messagingBugs } from './messaging.ts';
import { otherBugs } from './others.ts';
import { stockBugs } from './stock.ts';

/**
 * A mistake that somebody could really make, planted by rewriting a statement of production or by handing a workload
 * another function. Each shows that the checks would find it.
 */
export interface Bug {
  readonly name: string;
  readonly summary: string;
  /** The workload that finds it. */
  readonly workload: string;
  /** The promise that it breaks. */
  readonly breaks: RegExp;
  /**
   * Found within so many rounds: at least four times what 99 of 100 runs need, if the mean of many seeds is taken for that of a
   * geometric distribution. Rounds that are not needed are not run.
   */
  readonly roundsMax: number;
  readonly rewrite?: Rewrite;
  readonly parts?: Partial<Parts>;
}

export const bugs: readonly Bug[] = [...stockBugs, ...messagingBugs, ...otherBugs];

export function bugNamed(name: string): Bug | undefined {
  return bugs.find((bug) => bug.name === name);
}
