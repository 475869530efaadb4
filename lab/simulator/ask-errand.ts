import type { Knowledge } from '#contracts/assistant';
import type { Random, Timers } from '#kit/runtime';
import type { AskAs } from './errand.ts';
import { guest } from './people.ts';
import type { Errand } from './plan.ts';
import type { Simulation } from './simulation.ts';

/** What the assistant said of itself, and when it was asked, in true time. */
export interface Said {
  readonly startMs: number;
  readonly endMs: number;
  readonly knowledge: Knowledge;
}

export interface AskErrandOptions {
  readonly simulation: Simulation;
  readonly timers: Timers;
  readonly ask: AskAs;
  readonly random: Random;
  readonly book: Said[];
}

const askEveryMs = 1_000;

export function createAskErrand({ simulation, timers, ask, random, book }: AskErrandOptions) {
  return async function askAssistant(errand: Extract<Errand, { kind: 'ask' }>): Promise<void> {
    const body = { question: `What does ${errand.sku} cost?` };
    for (let i = 0; i < errand.times; i++) {
      let startMs = simulation.world.nowMs;
      const answer = await ask<{ knowledge: Knowledge }>(errand, 'ask', guest, ({ assistant }, context) => {
        startMs = simulation.world.nowMs;
        return assistant.ask({ body }, context);
      });
      if (answer) book.push({ startMs, endMs: simulation.world.nowMs, knowledge: answer.knowledge });
      await timers.sleep(askEveryMs * random.next());
    }
  };
}
