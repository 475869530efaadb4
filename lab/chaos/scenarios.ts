import type { Fault } from './faults/fault.ts';

/** A fault that was wanted and can't be had here. */
export interface Skipped {
  readonly fault: string;
  readonly why: string;
}

export type Choice =
  | { readonly faults: readonly Fault[]; readonly skipped: readonly Skipped[] }
  | { readonly mistake: string };

/** What runs in every test run: each way in which machines betray one another, once and again. */
const short = ['kill', 'pause', 'partition', 'lost-reply', 'skew'];

/**
 * The faults of a scenario: `random` (all), `short`, a class, or names with commas between. Faults that need
 * privileges are skipped unless they are asked for, by name or with `privileged`; whatever is skipped is told.
 */
export function chooseFaults(all: readonly Fault[], scenario: string, privileged: boolean): Choice {
  const known = (name: string): readonly Fault[] => {
    if (name === 'random') return all;
    if (name === 'short') return all.filter((fault) => short.includes(fault.name));
    return all.filter((fault) => fault.name === name || fault.class === name);
  };
  const names = scenario.split(',').map((name) => name.trim());
  const wanted = new Set<Fault>();
  for (const name of names) {
    const found = known(name);
    if (found.length === 0) {
      const classes = [...new Set(all.map((fault) => fault.class))].join(', ');
      return {
        mistake: `There is no scenario ${name}: give random, short, a class (${classes}), or faults that "holdfast chaos --list" names.`,
      };
    }
    for (const fault of found) wanted.add(fault);
  }
  const faults: Fault[] = [];
  const skipped: Skipped[] = [];
  for (const fault of wanted) {
    const isAsked = privileged || names.includes(fault.name);
    const why = fault.privileged && !isAsked ? 'ask for it with --privileged' : fault.missing?.();
    if (why === undefined) faults.push(fault);
    else skipped.push({ fault: fault.name, why });
  }
  return { faults, skipped };
}
