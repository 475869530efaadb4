import type { Cancel, Component, Database, World } from '#kit/runtime';
import { bury, createDeadLetters, type DeadLetters, forgetDeadLetters, type PoisonPolicy } from './dead-letters.ts';
import { createDelivery, type HandlerOptions } from './delivery.ts';
import type { EventEnvelope, LogicalClock } from './envelope.ts';
import { isHopeless, isOutage, PositionOutOfLog, StalePosition } from './errors.ts';
import { advance, countAttempt, type Move, movesOf, readPositions, rewind } from './inbox.ts';
import type { EventLog, LogRecord } from './log.ts';
import { backgroundShareMax, createLoop, isAnyFull, type Turn } from './loop.ts';
import type { MessagingMetrics } from './metrics.ts';
import { createPartitions, type HeldPartition } from './partitions.ts';

export type SubscriptionOptions = HandlerOptions & {
  /** Members of one group share its partitions; each group gets every event. */
  readonly group: string;
  readonly topics: readonly string[];
  /** Only events of these types reach the handler. Default all. */
  readonly types?: readonly string[];
  readonly log: EventLog;
  /** The consumer's own database: positions and dead letters live there, whatever the delivery. */
  readonly database: Database;
  readonly world: World;
  readonly logicalClock?: LogicalClock;
  readonly metrics?: MessagingMetrics;
  /** Events read, handled and committed together. Larger costs less each, smaller saves memory. Default 500. */
  readonly batchMax?: number;
  /** How often one event is tried before it goes to the dead letters. Default 5. */
  readonly attemptsMax?: number;
  /** Wait before the second attempt; doubles with each, with full jitter. Default 200 ms. */
  readonly backoffMsMin?: number;
  /** Default 30,000 ms. */
  readonly backoffMsMax?: number;
  /** `park` (default): later events of a dead letter's key wait behind it. `skip`: they go on, out of order. */
  readonly onPoison?: PoisonPolicy;
  /** Where a new group starts. Default `earliest`. */
  readonly from?: 'earliest' | 'latest';
  /** What to do when retention was faster than this group. Default `stop` (the partition, loudly). */
  readonly onGap?: 'stop' | 'skip';
  /** Default 1,000 ms. Must be a fraction of the log's `memberLeaseMs`. */
  readonly heartbeatMs?: number;
  /** How long an idle consumer waits when nobody wakes it. Default 2,000 ms. */
  readonly pollMs?: number;
  /** Told after each batch whose effects and position are committed: to wake whoever waits for them. */
  readonly onCommit?: () => void;
};

export interface Subscription {
  readonly component: Component;
  readonly deadLetters: DeadLetters;
  /** Looks for events now. Appends in this process and notifications from others do it by themselves. */
  wake(): void;
  /** Events not yet consumed, by partition, over all members. */
  lag(): Promise<readonly PartitionLag[]>;
  /**
   * Starts the read model anew: position 0 and the handler's `reset` in one transaction; then the group consumes the
   * log again. Refused when retention has removed the beginning, unless `allowIncomplete`.
   */
  rebuild(options?: { readonly allowIncomplete?: boolean }): Promise<void>;
}

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly events: number;
}

/** What a read found: so many events, all that there were, or as much as it may take (`full`). */
type Read = number | 'full';

/** Consumes topics as a member of a group. Nothing happens until its component is started. */
export function subscribe(options: SubscriptionOptions): Subscription {
  const { group, topics, log, database, world, metrics, logicalClock } = options;
  const { batchMax = 500, attemptsMax = 5, backoffMsMin = 200, backoffMsMax = 30_000 } = options;
  const { onPoison = 'park', onGap = 'stop', from = 'earliest', heartbeatMs = 1_000, pollMs = 2_000 } = options;
  const { clock, timers, random } = world;
  const logger = world.log.with({ group });
  const member = world.ids.next('mem');
  const delivery = createDelivery(options, {
    database,
    group,
    log: logger,
    types: options.types && new Set(options.types),
    onGivenUp: (events) => {
      for (const event of events) metrics?.failed?.({ group, type: event.type, final: true });
    },
  });
  const deadLetters = createDeadLetters({ database, group, policy: onPoison, delivery });
  const partitions = createPartitions({ group, topics, log, database, from, member });
  const loop = createLoop({
    ...{ name: `consumer ${group}`, clock, timers, random, log: logger },
    ...{ turn, pollMs, shareMax: backgroundShareMax },
  });
  let cancels: Cancel[] = [];
  let beating: Promise<void> | undefined;
  let starting: Promise<void> | undefined;

  async function turn(): Promise<Turn> {
    await partitions.refresh();
    const nowMs = clock.monotonicMs();
    const ready = partitions.held.filter((held) => !held.fault && held.pausedUntilMs <= nowMs);
    // What has failed before is tried alone, so that it costs its neighbours nothing.
    const failed: Read[] = [];
    for (const held of ready.filter((one) => one.attempts > 0)) failed.push(await readAndDeliver([held], 1));
    const healthy = ready.filter((held) => held.attempts === 0);
    const read = await readAndDeliver(rotate(healthy), batchMax);
    if (read === 'full' || failed.some((one) => one !== 0)) return 'again';
    if (read > 0) return { worked: read };
    const pauses = partitions.held.filter((held) => held.pausedUntilMs > nowMs).map((held) => held.pausedUntilMs);
    return pauses.length > 0 ? { afterMs: Math.max(1, Math.min(...pauses) - nowMs) } : 'idle';
  }

  /** A busy partition must not keep the others from their turn. */
  let turns = 0;
  function rotate(held: readonly HeldPartition[]): readonly HeldPartition[] {
    const start = held.length > 0 ? turns++ % held.length : 0;
    return [...held.slice(start), ...held.slice(0, start)];
  }

  async function readAndDeliver(held: readonly HeldPartition[], limit: number): Promise<Read> {
    const ranges = held.map((one) => ({ topic: one.topic, partition: one.partition, fromOffset: one.nextOffset }));
    const rangeMax = Math.ceil(limit / 4);
    const found = await log.read(ranges, limit, rangeMax);
    const records = found.filter(isWithoutGap);
    if (logicalClock) for (const { event } of records) mergeTime(event);
    if (records.length > 0) await deliver(records);
    if (records.length === 0) return 0;
    const place = ({ topic, partition }: LogRecord) => `${topic}/${partition}`;
    return found.length >= limit || isAnyFull(found, place, rangeMax) ? 'full' : records.length;
  }

  function isWithoutGap(record: LogRecord): boolean {
    const held = partitions.of(record);
    if (!held || held.fault) return false;
    if (record.offset === held.readOffset) {
      held.readOffset += 1;
      return true;
    }
    const { topic, partition, offset } = record;
    const gap = new PositionOutOfLog(group, topic, partition, held.readOffset, offset, offset);
    logger.error(gap.message, { onGap });
    if (onGap === 'stop') held.fault = gap;
    held.readOffset = offset + 1;
    return onGap === 'skip';
  }

  /** An event must not be lost because a clock is wrong: it is handled, its time is not believed. */
  function mergeTime(event: EventEnvelope): void {
    if (event.hlc === undefined) return;
    try {
      logicalClock?.receive(event.hlc);
    } catch (error) {
      logger.error('an event comes from a clock that is too far ahead', { source: event.source, id: event.id, error });
      metrics?.clockAhead?.({ group, source: event.source });
    }
  }

  /** One transaction if all goes well; else halves, until the event that fails stands alone. */
  async function deliver(records: readonly LogRecord[]): Promise<void> {
    const moves = movesOf(records, partitions.at);
    const startMs = clock.monotonicMs();
    try {
      await delivery.deliver(records, moves);
    } catch (error) {
      await deliverNarrowed(records, moves, error);
      return;
    }
    partitions.moved(moves);
    options.onCommit?.();
    metrics?.consumed?.({ group, count: records.length, durationMs: clock.monotonicMs() - startMs });
  }

  async function deliverNarrowed(records: readonly LogRecord[], moves: readonly Move[], error: unknown): Promise<void> {
    if (error instanceof StalePosition) {
      logger.debug('positions were moved by someone else', { error });
      partitions.distrust();
      return;
    }
    if (isOutage(error)) {
      // The commit may have happened: only the table knows where we stand.
      partitions.distrust();
      throw error;
    }
    const [record] = records;
    const [move] = moves;
    if (records.length === 1 && record && move) return fail(record, move, error);
    const half = records.length >> 1;
    await deliver(records.slice(0, half));
    const rest = records.slice(half).filter((one) => partitions.goesOn(one));
    if (rest.length > 0) await deliver(rest);
  }

  async function fail(record: LogRecord, move: Move, error: unknown): Promise<void> {
    const held = partitions.at(record);
    const attempts = held.attempts + 1;
    const { type, id, subject } = record.event;
    const final = attempts >= attemptsMax || isHopeless(error);
    metrics?.failed?.({ group, type, final });
    if (final) {
      logger.error('event goes to the dead letters', { type, id, key: subject, attempts, error });
      await database.transaction(async (tx) => {
        await advance(tx, group, [move]);
        await bury(tx, group, record, { error, attempts, policy: onPoison });
      });
      partitions.moved([move]);
      return;
    }
    logger.warn('event failed, it will be tried again', { type, id, key: subject, attempts, error });
    held.attempts = attempts;
    held.pausedUntilMs =
      clock.monotonicMs() + random.next() * Math.min(backoffMsMax, backoffMsMin * 2 ** (attempts - 1));
    await countAttempt(database, group, move, attempts);
  }

  /** Beside the loop, so that a long batch doesn't cost the membership. One at a time: a late one joins the first. */
  function beat(): Promise<void> {
    beating ??= beatOnce().finally(() => {
      beating = undefined;
    });
    return beating;
  }

  async function beatOnce(): Promise<void> {
    try {
      if (await partitions.beat()) loop.wake();
    } catch (error) {
      logger.warn('heartbeat failed', { error });
    }
  }

  async function begin(): Promise<void> {
    cancels.push(
      await log.onAppend((topic) => {
        if (topic === '' || topics.includes(topic)) loop.wake();
      }),
    );
    await beat();
    cancels.push(timers.every(heartbeatMs, beat));
    loop.start();
  }

  return {
    deadLetters,
    wake: loop.wake,
    async lag() {
      // In this order, so that an answer of 0 is never given before its time.
      const positions = await readPositions(database, group);
      const bounds = await log.bounds(topics);
      const next = new Map(positions.map((one) => [`${one.topic}/${one.partition}`, one.nextOffset]));
      return bounds.map(({ topic, partition, firstOffset, nextOffset }) => {
        const position = next.get(`${topic}/${partition}`) ?? (from === 'earliest' ? firstOffset : nextOffset);
        return { topic, partition, events: Math.max(0, nextOffset - position) };
      });
    },
    async rebuild({ allowIncomplete = false } = {}) {
      if (options.delivery !== 'effectively-once' || !options.reset) {
        throw new Error(`${group}: only an effectively-once subscription with a reset can be rebuilt`);
      }
      const { reset } = options;
      const bounds = await log.bounds(topics);
      const swept = bounds.find((one) => one.firstOffset > 0);
      if (swept && !allowIncomplete) {
        throw new PositionOutOfLog(group, swept.topic, swept.partition, 0, swept.firstOffset, swept.nextOffset);
      }
      await database.transaction(async (tx) => {
        await rewind(tx, group, bounds);
        await forgetDeadLetters(tx, group);
        await reset(tx);
      });
      partitions.distrust();
      loop.wake();
    },
    component: {
      name: `consumer ${group}`,
      start() {
        starting = begin();
        return starting;
      },
      async drain() {
        await starting?.catch(() => {});
        await loop.stop();
      },
      async stop() {
        // One that is still starting would join its group after all, and keep partitions from the others.
        await starting?.catch(() => {});
        for (const cancel of cancels) cancel();
        cancels = [];
        await loop.stop();
        // A heartbeat that ended after we left would make us a member again.
        await beating;
        await partitions.leave().catch((error) => logger.debug('the membership was left to end', { error }));
      },
      async check() {
        return partitions.held.find((held) => held.fault)?.fault?.message;
      },
    },
  };
}
