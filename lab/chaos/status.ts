import type { World } from '#kit/runtime';
import type { FaultChange } from './nemesis.ts';

/** How a run goes, at one moment. */
export interface Status {
  readonly phase: 'starting' | 'breaking' | 'waiting for quiet';
  /** Since faults may come, milliseconds. */
  readonly atMs: number;
  readonly forMs: number;
  /** Names of the faults in force. */
  readonly inForce: readonly string[];
  readonly injected: number;
  readonly planned: number;
  readonly calls: number;
  readonly accepted: number;
}

const barWidth = 20;

/** One line for people: `breaking ██████░░░░ 32 of 60 s, 14 of 27 faults, 1,204 calls, 412 orders: delay, kill`. */
export function statusText({ phase, atMs, forMs, inForce, injected, planned, calls, accepted }: Status): string {
  if (phase === 'starting') return 'starting';
  const work = `${calls.toLocaleString('en-US')} calls, ${accepted.toLocaleString('en-US')} orders`;
  if (phase === 'waiting for quiet') return `waiting for quiet, ${work}`;
  const filled = Math.round(Math.min(1, atMs / forMs) * barWidth);
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  const seconds = Math.min(atMs, forMs) / 1_000;
  const now = inForce.length === 0 ? '' : `: ${inForce.join(', ')}`;
  return `${bar} ${seconds.toFixed(0)} of ${forMs / 1_000} s, ${injected} of ${planned} faults, ${work}${now}`;
}

export interface TellerOptions {
  readonly world: Pick<World, 'clock' | 'timers'>;
  readonly forMs: number;
  readonly planned: number;
  /** Of the clients so far. */
  readonly work: () => Pick<Status, 'calls' | 'accepted'>;
  /** What happens, a line each. */
  readonly say: (text: string) => void;
  /** Where it stands, a few times a second. */
  readonly show: (status: Status) => void;
}

export interface Teller {
  enter(phase: Status['phase']): void;
  tell(change: FaultChange): void;
  end(): void;
}

const showEveryMs = 200;

/** Tells people how a run goes while it goes. */
export function createTeller({ world, forMs, planned, work, say, show }: TellerOptions): Teller {
  const inForce = new Map<number, string>();
  let phase: Status['phase'] = 'starting';
  let injected = 0;
  let sinceMs = world.clock.monotonicMs();
  const end = world.timers.every(showEveryMs, () => {
    const atMs = world.clock.monotonicMs() - sinceMs;
    show({ phase, atMs, forMs, inForce: [...inForce.values()], injected, planned, ...work() });
  });
  return {
    enter(next) {
      phase = next;
      sinceMs = world.clock.monotonicMs();
      say(next === 'breaking' ? `under way: ${planned} faults in ${forMs / 1_000} s` : 'all healed, waiting for quiet');
    },
    tell({ planned: { index, fault, target }, state, detail }) {
      if (state === 'healed') {
        inForce.delete(index);
        say(`healed: ${fault} ${target}`);
        return;
      }
      injected += 1;
      inForce.set(index, fault);
      say(`${fault} ${target} ${detail}`.trim());
    },
    end,
  };
}
