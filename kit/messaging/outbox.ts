import type { Component, Database, Transaction, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { createEnvelope, type EventDraft, type EventEnvelope, encodeEnvelope, type LogicalClock } from './envelope.ts';
import type { EventLog } from './log.ts';
import { backgroundShareMax, createLoop } from './loop.ts';
import type { MessagingMetrics } from './metrics.ts';
import { partitionOf } from './partition.ts';
import { createRelay } from './relay.ts';

export const outboxMigrations: Migrations = {
  directory: `${import.meta.dirname}/schema/outbox`,
  table: 'schema_messaging_outbox',
};

export interface OutboxOptions {
  /** The service's name: `source` of its events, and the topic they are appended to. */
  readonly source: string;
  /** The service's own database. */
  readonly database: Database;
  readonly log: EventLog;
  readonly world: World;
  readonly logicalClock?: LogicalClock;
  readonly metrics?: MessagingMetrics;
  /** Events relayed in one turn from each partition, of which there are 16. Default 64. */
  readonly partitionBatchMax?: number;
  /** How long an idle relay waits when nobody wakes it. Default 1,000 ms. */
  readonly pollMs?: number;
  /** A relay that stops in the middle of its work holds others up for this long. Default 1,000 ms. */
  readonly leaseMs?: number;
}

/** Publishes events with the transaction that causes them, and relays them to the log. */
export interface Outbox {
  /**
   * Writes the events of a whole batch in one statement. Call it after the rows of the transaction were written: their
   * locks then put events of one key in the order of the commits.
   */
  publish(tx: Transaction, events: readonly EventDraft[]): Promise<readonly EventEnvelope[]>;
  /** Tells the relay of this process that something was committed: for `onCommit` of the batch writer. Costs nothing. */
  wake(): void;
  /** Events committed and not yet known to be in the log. */
  pending(): Promise<number>;
  /** The relay. Any number of instances may run theirs on one outbox. */
  readonly component: Component;
}

const publishSql = `
  insert into outbox (partition, key, envelope)
  select e.partition, e.key, e.envelope
  from rows from (unnest($1::smallint[]), unnest($2::text[]), json_array_elements($3::text::json))
    as e (partition, key, envelope)`;

export function createOutbox(options: OutboxOptions): Outbox {
  const { source, database, world, pollMs = 1_000 } = options;
  const { clock, timers, random } = world;
  const log = world.log.with({ relay: source });
  const relay = createRelay(options);
  const loop = createLoop({
    ...{ name: `relay ${source}`, clock, timers, random, log },
    ...{ turn: relay.turn, pollMs, shareMax: backgroundShareMax },
  });

  return {
    async publish(tx, events) {
      if (events.length === 0) return [];
      const envelopes = events.map((event) => createEnvelope(options, event));
      await tx.query(publishSql, [
        events.map((event) => partitionOf(event.key)),
        events.map((event) => event.key),
        `[${envelopes.map(encodeEnvelope).join(',')}]`,
      ]);
      return envelopes;
    },
    wake: loop.wake,
    async pending() {
      const { rows } = await database.query<{ count: number }>('select count(*)::integer as count from outbox');
      return rows[0]?.count ?? 0;
    },
    component: {
      name: `outbox relay of ${source}`,
      async start() {
        loop.start();
      },
      // Work that drains before us publishes its last events before our last turn.
      async stop() {
        await loop.stop();
        await relay.leave();
      },
    },
  };
}
