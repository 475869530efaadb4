import type { StockEvent } from '#contracts/inventory';
import {
  type DeadLetters,
  type EventEnvelope,
  type Subscription,
  type SubscriptionOptions,
  subscribe,
} from '#kit/messaging';
import type { BatchWriter } from '#kit/store';
import type { AvailabilityNote, Command, Outcome } from './commands.ts';

/** An event that says nothing of any stock, however often it is tried. */
class UnreadableEvent extends Error {
  readonly retry = 'never';
}

/**
 * Hears from inventory what sold out and what is back. At least once, for a note that is older than the one kept, or the
 * same, changes nothing; so it goes through the writer like every other change and can't meet it in a deadlock.
 */
export function createStockFeed(
  options: Pick<SubscriptionOptions, 'log' | 'database' | 'world' | 'logicalClock' | 'metrics'> & {
    readonly writer: BatchWriter<Command, Outcome>;
  },
): Subscription {
  const { writer, ...rest } = options;
  return subscribe({
    ...rest,
    group: 'products',
    topics: ['inventory'],
    types: ['stock.changed'],
    delivery: 'at-least-once',
    // Versions order them, so one that can't be read holds up none of its SKU.
    onPoison: 'skip',
    async handler(events) {
      await writer.submit({ kind: 'availability', items: events.map(noteOf) });
    },
  });
}

function noteOf({ type, id, data }: EventEnvelope): AvailabilityNote {
  const { sku, available, version } = (data ?? {}) as Partial<StockEvent>;
  if (typeof sku === 'string' && typeof available === 'boolean' && Number.isSafeInteger(version)) {
    return { sku, available, version: version as number };
  }
  throw new UnreadableEvent(`${type} ${id}: sku, available or version are missing`);
}

/** Of a catalogue that hears of no stock. */
export const noDeadLetters: DeadLetters = {
  list: async () => [],
  show: async () => undefined,
  tally: async () => ({ total: 0, lastId: 0 }),
  replay: async () => ({ replayed: 0, remaining: 0 }),
  discard: async () => ({ discarded: false, remaining: 0 }),
  replayMany: async () => ({ replayed: 0, failed: [] }),
  discardMany: async () => ({ discarded: 0, remaining: 0 }),
};
