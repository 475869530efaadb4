import type { Fault } from './faults/fault.ts';

/** A story: what could really go wrong together. */
export interface Scenario {
  readonly name: string;
  readonly does: string;
  /** Names of faults; `all` of them where none are given. */
  readonly faults: 'all' | readonly string[];
}

export const scenarios: readonly Scenario[] = [
  { name: 'random', does: 'everything that this machine allows, drawn by seed', faults: 'all' },
  {
    name: 'short',
    does: 'what runs in every test run: each way in which machines betray one another, once and again',
    faults: ['kill', 'pause', 'partition', 'lost-reply', 'skew'],
  },
  {
    name: 'two-owners',
    does: 'owners who were thought dead come back: asleep, cut off or wrong about the time, and others took over',
    faults: ['pause', 'partition', 'one-way', 'skew', 'faketime', 'kill'],
  },
  {
    name: 'shaky-network',
    does: 'messages are late, lost, doubled, overtaken and torn; no process and no disk fails',
    faults: [
      'delay',
      'slow-link',
      'cut',
      'reset',
      'lost-reply',
      'lost-request',
      'duplicate',
      'reorder',
      'packet-loss',
      'packet-partition',
      'packet-reset',
    ],
  },
  {
    name: 'mesh',
    does: 'processes lose their identities, the registry stands still, and those between clients and services restart',
    faults: ['expired-identity', 'revoked-identity', 'stale-discovery', 'restart', 'kill', 'pause'],
  },
  {
    name: 'bad-provider',
    does: 'the payment provider charges and does not say so, stalls, fails and repeats itself, and its way is shaky',
    faults: ['charged-unheard', 'provider-stalls', 'provider-fails', 'webhook-twice', 'lost-reply', 'kill'],
  },
  {
    name: 'bad-database',
    does: 'the database server dies, sleeps, runs out of connections and of disk, and gets slow',
    faults: [
      'postgres-kill',
      'postgres-pause',
      'postgres-freeze',
      'pool-exhausted',
      'file-limit',
      'disk-full',
      'wal-full',
      'kill-in-commit',
      'slow-fsync',
      'fsync-error',
    ],
  },
  {
    name: 'endless-restarts',
    does: 'processes die again and again, and so does the database server, while they recover from the last time',
    faults: ['kill', 'restart-loop', 'postgres-kill'],
  },
];

/** A fault that was wanted and can't be had here. */
export interface Skipped {
  readonly fault: string;
  readonly why: string;
}

export type Choice =
  | { readonly faults: readonly Fault[]; readonly skipped: readonly Skipped[] }
  | { readonly mistake: string };

/**
 * The faults of a scenario, of a class, or by name, several with commas between. Faults that need privileges are
 * skipped unless they are asked for, by name or with `privileged`; whatever is skipped is told.
 */
export function chooseFaults(all: readonly Fault[], wanted: string, privileged: boolean): Choice {
  const names = wanted.split(',').map((name) => name.trim());
  const chosen = new Set<Fault>();
  for (const name of names) {
    const found = faultsOf(all, name);
    if (found.length === 0) return { mistake: mistakeOf(all, name) };
    for (const fault of found) chosen.add(fault);
  }
  const faults: Fault[] = [];
  const skipped: Skipped[] = [];
  for (const fault of chosen) {
    const isAsked = privileged || names.includes(fault.name);
    const why = fault.privileged && !isAsked ? 'ask for it with --privileged' : fault.missing?.();
    if (why === undefined) faults.push(fault);
    else skipped.push({ fault: fault.name, why });
  }
  return { faults, skipped };
}

function faultsOf(all: readonly Fault[], name: string): readonly Fault[] {
  const scenario = scenarios.find((each) => each.name === name);
  if (scenario?.faults === 'all') return all;
  return all.filter((fault) => fault.name === name || fault.class === name || scenario?.faults.includes(fault.name));
}

function mistakeOf(all: readonly Fault[], name: string): string {
  const known = scenarios.map((scenario) => scenario.name).join(', ');
  const classes = [...new Set(all.map((fault) => fault.class))].join(', ');
  return `There is no scenario ${name}: give one of ${known}; a class (${classes}); or faults that "holdfast chaos --list" names.`;
}
