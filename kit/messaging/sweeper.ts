import type { Component, World } from '#kit/runtime';
import type { EventLog, Retention } from './log.ts';
import { createLoop } from './loop.ts';

export interface SweeperOptions {
  readonly log: EventLog;
  readonly topics: readonly string[];
  readonly retention: Retention;
  readonly world: World;
  /** How long to rest when nothing is left to remove. Default 60,000 ms. */
  readonly periodMs?: number;
}

/**
 * Keeps topics within their retention, a bounded piece at a time. A group that is slower than that stops with a clear
 * fault, and a read model can no longer be rebuilt from the beginning: so nothing is removed unless this is wired.
 */
export function createSweeper(options: SweeperOptions): Component {
  const { log, topics, retention, world, periodMs = 60_000 } = options;
  const { clock, timers, random } = world;
  const loop = createLoop({ name: 'log sweeper', clock, timers, random, log: world.log, turn, pollMs: periodMs });

  async function turn() {
    let removed = 0;
    for (const topic of topics) removed += await log.sweep(topic, retention);
    return removed > 0 ? 'again' : 'idle';
  }

  return {
    name: 'log sweeper',
    async start() {
      loop.start();
    },
    stop: loop.stop,
  };
}
