import type { Database, Logger, Transaction } from '#kit/runtime';
import { lockParkedKeys, park, readParkedKeys } from './dead-letters.ts';
import type { EventEnvelope } from './envelope.ts';
import { advance, type Move } from './inbox.ts';
import type { LogRecord } from './log.ts';

/** Writes into the consumer's own database, in the transaction in which the position moves. No effect but SQL. */
export type TransactionHandler = (tx: Transaction, events: readonly EventEnvelope[]) => Promise<void>;

/** Has effects elsewhere. At least once: must be harmless when repeated. */
export type EffectHandler = (events: readonly EventEnvelope[]) => Promise<void>;

export type HandlerOptions =
  | {
      readonly delivery: 'effectively-once';
      readonly handler: TransactionHandler;
      /** Empties the read model, for `rebuild`. */
      readonly reset?: (tx: Transaction) => Promise<void>;
    }
  | { readonly delivery: 'at-least-once' | 'at-most-once'; readonly handler: EffectHandler };

export interface DeliveryContext {
  readonly database: Database;
  readonly group: string;
  readonly log: Logger;
  /** Undefined: all. */
  readonly types: ReadonlySet<string> | undefined;
  readonly onGivenUp: (events: readonly EventEnvelope[]) => void;
}

/** How one subscription hands events over: where the handler stands between the position's old and new value. */
export interface Delivery {
  /** Throws `StalePosition` when a partition is no longer ours, or what the handler threw; then nothing has moved. */
  deliver(records: readonly LogRecord[], moves: readonly Move[]): Promise<void>;
  /** Hands a dead letter over once more. `settle` removes it; where there is a transaction it belongs to that. */
  redeliver(event: EventEnvelope, begin: Settle, settle: Settle): Promise<void>;
}

export type Settle = (tx: Transaction) => Promise<void>;

export function createDelivery(options: HandlerOptions, context: DeliveryContext): Delivery {
  switch (options.delivery) {
    case 'effectively-once':
      return effectivelyOnce(options.handler, context);
    case 'at-least-once':
      return atLeastOnce(options.handler, context);
    case 'at-most-once':
      return atMostOnce(options.handler, context);
  }
}

/** Effect and position commit together. The position comes first: who is too late finds out before it works. */
function effectivelyOnce(handler: TransactionHandler, context: DeliveryContext): Delivery {
  const { database, group } = context;
  return {
    async deliver(records, moves) {
      const wanted = wantedOf(records, context);
      await database.transaction(async (tx) => {
        const [, parkedKeys] = await Promise.all([advance(tx, group, moves), lockParkedKeys(tx, group, wanted)]);
        const [parked, free] = divide(wanted, parkedKeys);
        if (free.length > 0) await handler(tx, free.map(eventOf));
        await park(tx, group, parked);
      });
    },
    redeliver: (event, begin, settle) =>
      database.transaction(async (tx) => {
        await begin(tx);
        await handler(tx, [event]);
        await settle(tx);
      }),
  };
}

/** Effect first, then the position: a crash in between repeats the effect. */
function atLeastOnce(handler: EffectHandler, context: DeliveryContext): Delivery {
  const { database, group } = context;
  return {
    async deliver(records, moves) {
      const wanted = wantedOf(records, context);
      const parkedKeys = await readParkedKeys(database, group, wanted);
      const [parked, free] = divide(wanted, parkedKeys);
      if (free.length > 0) await handler(free.map(eventOf));
      await database.transaction(async (tx) => {
        await advance(tx, group, moves);
        await park(tx, group, parked);
      });
    },
    async redeliver(event, begin, settle) {
      await database.transaction(begin);
      await handler([event]);
      await database.transaction(settle);
    },
  };
}

/** Position first, then the effect: a crash or failure in between loses the effect. */
function atMostOnce(handler: EffectHandler, context: DeliveryContext): Delivery {
  const { database, group, log } = context;
  return {
    async deliver(records, moves) {
      await database.transaction((tx) => advance(tx, group, moves));
      const events = wantedOf(records, context).map(eventOf);
      if (events.length === 0) return;
      try {
        await handler(events);
      } catch (error) {
        log.warn('events were given up, as delivery is at most once', { group, events: events.length, error });
        context.onGivenUp(events);
      }
    },
    redeliver: () => Promise.reject(new Error('delivery at most once keeps no dead letters')),
  };
}

function wantedOf(records: readonly LogRecord[], { types }: DeliveryContext): readonly LogRecord[] {
  return types ? records.filter((record) => types.has(record.event.type)) : records;
}

function divide(records: readonly LogRecord[], parkedKeys: ReadonlySet<string>): [LogRecord[], LogRecord[]] {
  const parked: LogRecord[] = [];
  const free: LogRecord[] = [];
  for (const record of records) (parkedKeys.has(record.event.subject) ? parked : free).push(record);
  return [parked, free];
}

function eventOf(record: LogRecord): EventEnvelope {
  return record.event;
}
