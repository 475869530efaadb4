import type { Component, World } from '#kit/runtime';
import { readFaults } from './faults.ts';
import type { Fate } from './mortal.ts';
import { fateOf } from './mortals.ts';
import type { Processes } from './processes.ts';

export interface EnforcerOptions {
  readonly dataDir: string;
  readonly world: Pick<World, 'timers' | 'log'>;
  readonly processes: Pick<Processes, 'list' | 'hold' | 'release' | 'pause' | 'resume'>;
}

const lookEveryMs = 250;

/**
 * Kills and pauses processes of a topology for as long as the laboratory wants it: SIGKILL and no new start, SIGSTOP and
 * SIGCONT. Whatever runs the gateway is left alone, since that carries the page by which all is healed.
 */
export function enforceFaults({ dataDir, world, processes }: EnforcerOptions): Component {
  const { timers, log } = world;
  const fates = new Map<string, Fate>();
  let turn: Promise<void> | undefined;
  let cancel = () => {};

  async function bring(name: string, from: Fate, to: Fate): Promise<void> {
    if (from === 'paused') await processes.resume(name);
    if (from === 'killed') await processes.release(name);
    if (to === 'paused') await processes.pause(name);
    if (to === 'killed') await processes.hold(name);
    fates.set(name, to);
  }

  async function look(): Promise<void> {
    const active = readFaults(dataDir);
    // Each process says so in its log; until it is mended everything stays as it is.
    if (!active) return;
    for (const { name, services } of processes.list()) {
      const [now, wanted] = [fates.get(name) ?? 'alive', fateOf(services, active)];
      if (now === wanted || services.includes('gateway')) continue;
      // It may be starting, or leaving: then it is tried again at the next look.
      await bring(name, now, wanted).catch((error) => log.debug('a fault is not on yet', { process: name, error }));
    }
  }

  return {
    name: 'fault enforcer',
    async start() {
      cancel = timers.every(lookEveryMs, () => {
        turn ??= look().finally(() => {
          turn = undefined;
        });
      });
    },
    async stop() {
      cancel();
      await turn;
    },
    /** Whoever is paused could not be told to end. */
    async drain() {
      cancel();
      await turn;
      for (const [name, fate] of fates) if (fate === 'paused') await processes.resume(name).catch(() => {});
    },
  };
}
