import type { Cancel, Database, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { type EventEnvelope, encodeEnvelope } from './envelope.ts';
import type { EventLog, ExactAppend, LastAppend, LogRecord, PartitionBounds, Retention } from './log.ts';
import { partitionCount, partitionOf } from './partition.ts';
import { joinPostgresGroup } from './postgres-groups.ts';
import {
  acceptSql,
  boundsSql,
  createProducerSql,
  createTopicSql,
  insertSql,
  lastAppendsSql,
  lockPartitionsSql,
  readSql,
  sweepSql,
} from './postgres-log-sql.ts';
import { createRecentEvents } from './recent.ts';

export const logMigrations: Migrations = {
  directory: `${import.meta.dirname}/schema/log`,
  table: 'schema_messaging_log',
};

export interface PostgresLogOptions {
  /** The log's own database. */
  readonly database: Database;
  readonly world: Pick<World, 'ids' | 'log'>;
  /**
   * A group member that has not been heard of for this long loses its partitions. Default 5,000 ms. Smaller takes over
   * sooner after a crash; larger forgives longer pauses. Must be several heartbeats (see `subscribe`).
   */
  readonly memberLeaseMs?: number;
}

const channel = 'holdfast_log';
/** Events removed by one call of `sweep`, a partition: small enough not to hold anybody up. */
const sweepRowsMax = 500;

/** The log on PostgreSQL: a row lock a partition makes offsets gap-free and committed in order. */
export function createPostgresLog(options: PostgresLogOptions): EventLog {
  const { database, world, memberLeaseMs = 5_000 } = options;
  const { log } = world;
  const instance = world.ids.next('log');
  const knownTopics = new Set<string>();
  const recent = createRecentEvents();
  const listeners = new Set<(topic: string) => void>();
  let listening: Promise<Cancel> | undefined;

  async function ensureTopic(topic: string): Promise<void> {
    if (knownTopics.has(topic)) return;
    if (!/^[a-z][a-z0-9.-]{0,62}$/.test(topic)) {
      throw new Error(`log: ${topic} is not a topic name; use lower-case letters, digits, dots and hyphens`);
    }
    await database.query(createTopicSql, [topic, partitionCount]);
    knownTopics.add(topic);
  }

  function tell(topic: string): void {
    for (const listener of listeners) listener(topic);
  }

  /** Appends what is accepted. `accept` runs in the same transaction and says which partitions may go on. */
  async function appendBatches(
    topic: string,
    batches: readonly Pick<ExactAppend, 'partition' | 'envelopes'>[],
    accept?: { readonly producer: string; readonly appends: readonly ExactAppend[] },
  ): Promise<ReadonlySet<number>> {
    await ensureTopic(topic);
    const { won, nextOffsets } = await database.transaction(async (tx) => {
      const partitions = batches.map((batch) => batch.partition);
      // Sent together: both must be done before the insert, and neither needs the other's answer.
      const [allowed, locked] = await Promise.all([
        accept ? tx.query<{ partition: number }>(acceptSql, acceptValues(accept)) : undefined,
        tx.query<{ partition: number; next_offset: number }>(lockPartitionsSql, [topic, partitions]),
      ]);
      const won = new Set(allowed ? allowed.rows.map((row) => row.partition) : partitions);
      const nextOffsets = new Map(locked.rows.map((row) => [row.partition, row.next_offset]));
      const rows = offsetsOf(
        batches.filter((batch) => won.has(batch.partition)),
        nextOffsets,
      );
      if (rows.offsets.length > 0) {
        await tx.query(insertSql, [
          topic,
          rows.partitions,
          rows.offsets,
          `[${rows.envelopes.join(',')}]`,
          [...rows.next.keys()],
          [...rows.next.values()],
          channel,
          `${instance} ${topic}`,
        ]);
      }
      return { won, nextOffsets };
    });
    for (const { partition, envelopes } of batches) {
      if (won.has(partition)) recent.appended(topic, partition, nextOffsets.get(partition) as number, envelopes);
    }
    if (won.size > 0) tell(topic);
    return won;
  }

  return {
    name: database.name,
    async lastAppends(topic, producer) {
      const name = `${producer}/${topic}`;
      await database.query(createProducerSql, [name, partitionCount]);
      const { rows } = await database.query<{ partition: number } & LastAppendRow>(lastAppendsSql, [name]);
      return new Map(rows.map((row): [number, LastAppend] => [row.partition, lastAppendOf(row)]));
    },
    appendExactly: (topic, producer, appends) =>
      appendBatches(topic, appends, { producer: `${producer}/${topic}`, appends }),
    async append(topic, events) {
      if (events.length > 0) await appendBatches(topic, byPartition(events));
    },
    async read(ranges, limit, limitPerRange) {
      if (ranges.length === 0) return [];
      const known = recent.read(ranges, limit, limitPerRange);
      if (known) return known;
      const { rows } = await database.query<Omit<LogRecord, 'event'> & { envelope: EventEnvelope }>(readSql, [
        ranges.map((range) => range.topic),
        ranges.map((range) => range.partition),
        ranges.map((range) => range.fromOffset),
        limitPerRange,
        limit,
      ]);
      return rows.map((row) => ({
        topic: row.topic,
        partition: row.partition,
        offset: row.offset,
        event: row.envelope,
      }));
    },
    async bounds(topics) {
      for (const topic of topics) await ensureTopic(topic);
      const { rows } = await database.query<BoundsRow>(boundsSql, [topics]);
      return rows.map(boundsOf);
    },
    async onAppend(listener) {
      listeners.add(listener);
      listening ??= database.listen(channel, (payload) => {
        const [from, topic] = payload.split(' ');
        // Our own appends were told of without the detour; an empty message stands for any number that were missed.
        if (from !== instance) tell(topic ?? '');
      });
      const mine = listening;
      await mine;
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0 || listening !== mine) return;
        listening = undefined;
        mine.then((cancel) => cancel()).catch((error) => log.debug('listen had failed', { error }));
      };
    },
    join: (group, topics, member) =>
      joinPostgresGroup({ database, group, topics, member, leaseMs: memberLeaseMs, partitionCount }),
    async sweep(topic, { ageMsMax, eventsMax }: Retention) {
      if (ageMsMax === undefined && eventsMax === undefined) return 0;
      const { rows } = await database.query<{ count: number }>(sweepSql, [
        topic,
        ageMsMax === undefined ? null : ageMsMax / 1000,
        eventsMax ?? null,
        sweepRowsMax,
      ]);
      const count = rows[0]?.count ?? 0;
      if (count > 0) recent.forget();
      return count;
    },
  };
}

interface LastAppendRow {
  readonly version: number;
  readonly outbox_ids: readonly (number | string)[];
}

interface BoundsRow {
  readonly topic: string;
  readonly partition: number;
  readonly first_offset: number;
  readonly next_offset: number;
}

function lastAppendOf(row: LastAppendRow): LastAppend {
  return { version: row.version, outboxIds: row.outbox_ids.map(Number) };
}

function boundsOf(row: BoundsRow): PartitionBounds {
  return { topic: row.topic, partition: row.partition, firstOffset: row.first_offset, nextOffset: row.next_offset };
}

function acceptValues({ producer, appends }: { producer: string; appends: readonly ExactAppend[] }) {
  return [
    producer,
    appends.map((append) => append.partition),
    appends.map((append) => append.expectedVersion),
    appends.map((append) => `{${append.outboxIds.join(',')}}`),
  ];
}

function offsetsOf(
  batches: readonly Pick<ExactAppend, 'partition' | 'envelopes'>[],
  nextOffsets: ReadonlyMap<number, number>,
) {
  const partitions: number[] = [];
  const offsets: number[] = [];
  const envelopes: string[] = [];
  const next = new Map<number, number>();
  for (const batch of batches) {
    let offset = nextOffsets.get(batch.partition);
    if (offset === undefined) throw new Error(`log: there is no partition ${batch.partition}`);
    for (const envelope of batch.envelopes) {
      partitions.push(batch.partition);
      offsets.push(offset);
      envelopes.push(envelope);
      offset += 1;
    }
    next.set(batch.partition, offset);
  }
  return { partitions, offsets, envelopes, next };
}

function byPartition(events: readonly EventEnvelope[]): { partition: number; envelopes: string[] }[] {
  const batches = new Map<number, string[]>();
  for (const event of events) {
    const partition = partitionOf(event.subject);
    const envelopes = batches.get(partition);
    if (envelopes) envelopes.push(encodeEnvelope(event));
    else batches.set(partition, [encodeEnvelope(event)]);
  }
  return [...batches].map(([partition, envelopes]) => ({ partition, envelopes }));
}
