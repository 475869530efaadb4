import type { Database } from '#kit/runtime';
import { PositionOutOfLog } from './errors.ts';
import { claimPositions, type Move } from './inbox.ts';
import type { Assignment, EventLog, LogRecord, PartitionBounds } from './log.ts';

/** A partition that this member holds, and how it is doing. */
export interface HeldPartition {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  /** As committed in `inbox_position`. */
  nextOffset: number;
  /** How far the read under way has come. */
  readOffset: number;
  /** How often the event at `nextOffset` has failed. */
  attempts: number;
  pausedUntilMs: number;
  /** Why the partition stands still for good. */
  fault: PositionOutOfLog | undefined;
}

interface PartitionsOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly log: EventLog;
  readonly database: Database;
  readonly from: 'earliest' | 'latest';
  readonly member: string;
}

/** What a member holds: assigned by the log's group, positions kept in the consumer's database. */
export interface Partitions {
  readonly held: readonly HeldPartition[];
  of(record: LogRecord): HeldPartition | undefined;
  /** As `of`, for records of partitions that were held when they were read. */
  at(record: LogRecord): HeldPartition;
  /** Renews the membership; true when a partition was won. */
  beat(): Promise<boolean>;
  /** Reads positions anew if they were distrusted, and gets reading offsets in step. */
  refresh(): Promise<void>;
  /** Forget what we believe of positions: someone else moved them, or a commit's outcome is unknown. */
  distrust(): void;
  moved(moves: readonly Move[]): void;
  /** Whether the record is the next or a later one of a partition in which nothing has failed meanwhile. */
  goesOn(record: LogRecord): boolean;
  leave(): Promise<void>;
}

export function createPartitions(options: PartitionsOptions): Partitions {
  const { group, topics, log, database, from, member } = options;
  const membership = log.join(group, topics, member);
  let held = new Map<string, HeldPartition>();
  let assigned: readonly Assignment[] = [];
  let isTrusted = true;

  async function claim(assignments: readonly Assignment[]): Promise<void> {
    if (assignments.length === 0) return;
    const before = boundsByName(await log.bounds(topics));
    const claims = assignments.map((one) => ({ ...one, startOffset: startOf(before.get(nameOf(one))) }));
    const positions = await claimPositions(database, group, claims);
    // The member before us may have consumed events that were appended since we looked: look again before judging.
    const isBeyond = positions.some((one) => one.nextOffset > (before.get(nameOf(one))?.nextOffset ?? 0));
    const bounds = isBeyond ? boundsByName(await log.bounds(topics)) : before;
    for (const position of positions) {
      const name = nameOf(position);
      const { topic, partition, generation, nextOffset, attempts } = position;
      held.set(name, {
        topic,
        partition,
        generation,
        nextOffset,
        readOffset: nextOffset,
        attempts,
        pausedUntilMs: 0,
        fault: beyondEnd(group, nextOffset, bounds.get(name)),
      });
    }
  }

  function startOf(bounds: PartitionBounds | undefined): number {
    return (from === 'earliest' ? bounds?.firstOffset : bounds?.nextOffset) ?? 0;
  }

  return {
    get held() {
      return [...held.values()];
    },
    of: (record) => held.get(nameOf(record)),
    at(record) {
      const one = held.get(nameOf(record));
      // Lost while the batch was under way: a generation that no position has, so the write is refused.
      return one ?? { ...record, ...lost };
    },
    async beat() {
      assigned = await membership.beat();
      const names = new Map(assigned.map((one) => [nameOf(one), one]));
      held = new Map([...held].filter(([name, one]) => names.get(name)?.generation === one.generation));
      const won = assigned.filter((one) => !held.has(nameOf(one)));
      await claim(won);
      return won.length > 0;
    },
    async refresh() {
      if (!isTrusted) {
        isTrusted = true;
        held = new Map();
        try {
          await claim(assigned);
        } catch (error) {
          isTrusted = false;
          throw error;
        }
      }
      for (const one of held.values()) one.readOffset = one.nextOffset;
    },
    distrust() {
      isTrusted = false;
    },
    moved(moves) {
      for (const move of moves) {
        const one = held.get(nameOf(move));
        if (one?.generation !== move.generation) continue;
        one.nextOffset = move.to;
        one.attempts = 0;
        one.pausedUntilMs = 0;
      }
    },
    goesOn(record) {
      const one = held.get(nameOf(record));
      return isTrusted && one !== undefined && one.attempts === 0;
    },
    leave() {
      held = new Map();
      return membership.leave();
    },
  };
}

const lost = {
  generation: -1,
  nextOffset: -1,
  readOffset: -1,
  attempts: 0,
  pausedUntilMs: 0,
  fault: undefined,
};

function boundsByName(bounds: readonly PartitionBounds[]): ReadonlyMap<string, PartitionBounds> {
  return new Map(bounds.map((one) => [nameOf(one), one]));
}

function beyondEnd(group: string, position: number, bounds: PartitionBounds | undefined): PositionOutOfLog | undefined {
  if (!bounds || position <= bounds.nextOffset) return undefined;
  return new PositionOutOfLog(group, bounds.topic, bounds.partition, position, bounds.firstOffset, bounds.nextOffset);
}

function nameOf(partition: { readonly topic: string; readonly partition: number }): string {
  return `${partition.topic}/${partition.partition}`;
}
