import type { Caller } from '#kit/contract';
import type { Call } from './people.ts';
import type { Errand, UnitsOfSku } from './plan.ts';

/** What all errands have in common: how they ask, and as whom. */

/** Asks until there is an answer; undefined: it was refused for good. */
export type Ask = <T>(errand: Errand, kind: string, send: Call['send']) => Promise<T | undefined>;
export type AskAs = <T>(errand: Errand, kind: string, caller: Caller, send: Call['send']) => Promise<T | undefined>;

/** Units by SKU. */
export type Units = Map<string, number>;

export const add = (units: Units, { sku, quantity }: UnitsOfSku): void =>
  void units.set(sku, (units.get(sku) ?? 0) + quantity);

/** One press, and its echoes: what came of any of them. */
export const twice = async <T>(twins: number, once: () => Promise<T | undefined>): Promise<T | undefined> =>
  (await Promise.all(Array.from({ length: 1 + twins }, once))).find((one) => one !== undefined);
