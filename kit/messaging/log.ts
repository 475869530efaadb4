import type { Cancel } from '#kit/runtime';
import type { EventEnvelope } from './envelope.ts';

/**
 * The log: durable, partitioned, ordered. PostgreSQL by default; Kafka or NATS JetStream fit the same port, and
 * `describeEventLog` (conformance/) is what an adapter has to pass.
 */
export interface EventLog {
  readonly name: string;
  /** What the producer appended last to each partition of the topic. Partitions it never wrote to have version 0. */
  lastAppends(topic: string, producer: string): Promise<ReadonlyMap<number, LastAppend>>;
  /**
   * Appends batches of one producer, all in one transaction, each if the producer's version of that partition is the
   * expected one. Answers the partitions that were accepted. A repeat after an unknown outcome is refused by its version.
   */
  appendExactly(topic: string, producer: string, appends: readonly ExactAppend[]): Promise<ReadonlySet<number>>;
  /** Appends without a producer: an append whose outcome is unknown and that is repeated is there twice. */
  append(topic: string, events: readonly EventEnvelope[]): Promise<void>;
  /**
   * Events from the given offsets on, at most `limit` in all and in the order of `ranges`; within a partition in order
   * and without gaps. No range takes more than `limitPerRange`. There may be more than it answers, unless it answers nothing.
   */
  read(ranges: readonly ReadRange[], limit: number, limitPerRange: number): Promise<readonly LogRecord[]>;
  /** First and next offset of each partition. A topic that nobody has appended to has all at 0. */
  bounds(topics: readonly string[]): Promise<readonly PartitionBounds[]>;
  /** Calls `listener` when something was appended to a topic, here or elsewhere. May miss some: keep a slow poll too. */
  onAppend(listener: (topic: string) => void): Promise<Cancel>;
  /** Makes a process a member of a consumer group. Ask for assignments with the first `beat`. */
  join(group: string, topics: readonly string[], member: string): GroupMembership;
  /** Removes what the retention no longer keeps, a bounded piece at a time; answers the number of events removed. */
  sweep(topic: string, retention: Retention): Promise<number>;
}

export interface LastAppend {
  readonly version: number;
  readonly outboxIds: readonly number[];
}

export interface ExactAppend {
  readonly partition: number;
  readonly expectedVersion: number;
  /** Ids of the producer's outbox, parallel to `envelopes`. */
  readonly outboxIds: readonly number[];
  /** JSON texts of the events. */
  readonly envelopes: readonly string[];
}

export interface ReadRange {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
}

export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly event: EventEnvelope;
}

export interface PartitionBounds {
  readonly topic: string;
  readonly partition: number;
  /** The oldest event that is still there. */
  readonly firstOffset: number;
  /** What the next event will get. */
  readonly nextOffset: number;
}

export interface Assignment {
  readonly topic: string;
  readonly partition: number;
  /** The fencing token: greater than that of every earlier holder of the partition in this group. */
  readonly generation: number;
}

export interface GroupMembership {
  /** Proves that the member lives, takes over what is free, gives up what others are due; answers what it holds. */
  beat(): Promise<readonly Assignment[]>;
  /** Gives everything back. */
  leave(): Promise<void>;
}

/** Default: everything is kept. Events beyond any of the bounds given go, read or not. */
export interface Retention {
  readonly ageMsMax?: number;
  /** Events of a partition. */
  readonly eventsMax?: number;
}
