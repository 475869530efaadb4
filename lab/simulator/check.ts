import type { Facts } from './facts.ts';

/**
 * One function a guarantee (DESIGN §5): it looks at what is left when all is quiet, and names what is wrong. None looks
 * at how the services do their work, so they hold for any shop behind these contracts.
 */
export interface Check {
  readonly name: string;
  readonly find: (facts: Facts) => Iterable<string>;
  /** How many things it looked at: a check that looked at nothing has shown nothing. */
  readonly size: (facts: Facts) => number;
}
