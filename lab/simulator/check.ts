import type { Facts } from './fact-rows.ts';

/** One guarantee, as in lab/checkers: it looks at what is left when all is quiet, and names what is wrong. */
export interface Check {
  readonly name: string;
  readonly find: (facts: Facts) => Iterable<string>;
  /** How many things it looked at: a check that looked at nothing has shown nothing. */
  readonly size: (facts: Facts) => number;
}
