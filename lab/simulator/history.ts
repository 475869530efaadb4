import { inventory } from '#contracts/inventory';
import { createHybridClock, createTextClock } from '#kit/clock';
import { headerNames } from '#kit/contract';
import type { Clock, Transport } from '#kit/runtime';
import type { Operation } from '#lab/checkers';
import type { Incarnation } from './node.ts';
import type { Simulation } from './simulation.ts';

/** What the users of the shop saw: the only evidence besides the databases and the provider's books. */

export interface Attempt {
  /** To whom its answers must be consistent with one another. */
  readonly session: string;
  readonly operation: number | string;
  readonly kind: string;
  /** The Idempotency-Key, where one was sent. */
  readonly key: string | undefined;
  /** True time. The answer came at `endMs`. */
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: Outcome;
  /** Hybrid logical time of the answer. */
  readonly hlc: string | undefined;
}

export type Outcome =
  | { readonly status: number; readonly body: unknown }
  | { readonly problem: string; readonly status: number; readonly final: boolean };

export interface History {
  record(attempt: Attempt): void;
  readonly attempts: readonly Attempt[];
}

/** The correlation id of all that people ask for in one operation. */
export const correlationOf = (operation: number): string => `op-${operation}`;

export function createHistory(): History {
  const attempts: Attempt[] = [];
  return { record: (attempt) => void attempts.push(attempt), attempts };
}

function outcomeOf(outcome: Outcome, hlc: string | undefined): Operation['outcome'] {
  const { status } = outcome;
  if (!('problem' in outcome)) return { type: 'ok', status, value: outcome.body, hlc };
  return outcome.final
    ? { type: 'fail', problem: outcome.problem, status }
    : { type: 'info', problem: outcome.problem };
}

/**
 * In the words of lab/checkers. A refusal for good had no effect, and of anything else that was no answer nobody knows.
 */
export function operationsOf(attempts: readonly Attempt[]): Operation[] {
  return attempts.map(({ operation, session, kind, key, startMs, endMs, outcome, hlc }, i) => ({
    id: `${operation}/${i}`,
    process: `${i}`,
    session,
    kind,
    idempotencyKey: key,
    startMs,
    endMs,
    outcome: outcomeOf(outcome, hlc),
  }));
}

const keptAnswers: ReadonlySet<string> = new Set(['transfer', 'sell', 'takeBack']);

/**
 * Takes down what inventory answers to other services: holds, commits and releases tell of stock as well, and of more of
 * it than people ask about. Each answer is a look at the stock, whatever else it did; but for those about shares, which are
 * kept, so that a repeat gets the first one however long ago that was.
 */
export function recordStockAnswers(
  transport: Transport,
  client: Incarnation,
  { world }: Simulation,
  history: History,
): Transport {
  const { name } = client.node;
  return {
    async send(request, signal) {
      if (request.service !== inventory.service || keptAnswers.has(request.operation))
        return transport.send(request, signal);
      const startMs = world.nowMs;
      const reply = await transport.send(request, signal);
      const { stock } = (reply.body ?? {}) as { stock?: unknown };
      if (reply.status === 200 && stock !== undefined) {
        history.record({
          session: `${name} (${client.number})`,
          operation: `${name} ${request.operation}`,
          kind: 'look',
          key: undefined,
          startMs,
          endMs: world.nowMs,
          outcome: { status: reply.status, body: { items: stock } },
          hlc: believed(reply.headers[headerNames.logicalTime], client.world.clock),
        });
      }
      return reply;
    },
  };
}

/** An answer that is further ahead than the bound its client refuses as not heard: its stamp has no place in its order. */
function believed(hlc: string | undefined, clock: Clock): string | undefined {
  try {
    if (hlc !== undefined) createTextClock(createHybridClock({ clock })).receive(hlc);
    return hlc;
  } catch {
    return undefined;
  }
}
