import type { WebhooksOptions } from '#services/webhooks';
import type { Incarnation } from '../node.ts';
import { chance, exponential, type Simulation } from '../simulation.ts';

/** What a post to a merchant may run into, as probabilities. */
export interface MerchantFaults {
  /** The server can't be reached. */
  readonly unreachable: number;
  /** It says 503, and has not looked at the message. */
  readonly refusal: number;
  /** It took the message, and the connection broke before it said so. */
  readonly lostReply: number;
  /** It says nothing at all, until the sender's patience ends. */
  readonly stall: number;
}

export const calmMerchants: MerchantFaults = { unreachable: 0, refusal: 0, lostReply: 0, stall: 0 };

/** A message as a merchant's system got it. */
export interface Delivered {
  readonly url: string;
  /** The `webhook-id`, by which a merchant knows what it has seen. */
  readonly id: string;
  readonly timestampSec: number;
  readonly signature: string;
  readonly body: string;
}

/** As the poster of production gives an answer up (`createPoster`). */
const patienceMs = 15_000;
/** Mean time to a merchant and back, each way. */
const delayMs = 20;

export type Poster = NonNullable<WebhooksOptions['poster']>;
type Posted = Awaited<ReturnType<Poster['post']>>;

export type Merchants = ReturnType<typeof createMerchants>;

/** Merchants' systems, out in the world: what they have taken is what they know. */
export function createMerchants(simulation: Simulation, faults: MerchantFaults) {
  const { world, trace } = simulation;
  const dice = simulation.stream('merchants/faults');
  const delays = simulation.stream('merchants/delays');
  const taken: Delivered[] = [];
  const awayUntilMs = new Map<string, number>();

  function strikes(name: string, probability: number): boolean {
    if (!simulation.faultsOn || !chance(dice, probability)) return false;
    simulation.faults.add(name);
    return true;
  }

  /** Undefined: nobody will ever answer. */
  function take(message: Delivered, from: string): Posted | undefined {
    if (simulation.faultsOn && world.nowMs < (awayUntilMs.get(message.url) ?? 0)) {
      simulation.faults.add('merchant away');
      return { error: 'connect ECONNREFUSED' };
    }
    if (strikes('merchant unreachable', faults.unreachable)) return { error: 'connect ECONNREFUSED' };
    if (strikes('merchant refuses', faults.refusal)) return { status: 503, answer: 'come back later' };
    if (strikes('merchant says nothing', faults.stall)) return undefined;
    taken.push(message);
    const event = { kind: 'provider', node: 'merchant', from, sentAtMs: world.nowMs } as const;
    trace.event({ ...event, atMs: world.nowMs, text: `${message.id} ${message.body.length}` });
    return strikes('message taken, reply lost', faults.lostReply) ? { error: 'other side closed' } : { status: 204 };
  }

  return {
    taken: taken as readonly Delivered[],
    /** From now on nobody is there, for so long. */
    leave: (url: string, forMs: number) => void awayUntilMs.set(url, world.nowMs + forMs),
    /** The Poster port of one process. */
    posterOf: (client: Incarnation): Poster => ({
      post: (url, headers, body, signal) =>
        new Promise<Posted>((resolve) => {
          const giveUp = () => resolve({ error: 'This operation was aborted' });
          if (signal.aborted) return giveUp();
          signal.addEventListener('abort', giveUp, { once: true });
          client.world.timers.after(patienceMs, () => resolve({ error: 'Headers Timeout Error' }));
          const message = {
            ...{ url, body, id: headers['webhook-id'] ?? '', signature: headers['webhook-signature'] ?? '' },
            timestampSec: Number(headers['webhook-timestamp']),
          };
          world.timers.after(exponential(delays, delayMs), () => {
            const posted = take(message, client.node.name);
            if (!posted) return;
            world.timers.after(
              exponential(delays, delayMs),
              client.guard(() => resolve(posted)),
            );
          });
        }),
      async close() {},
    }),
  };
}
