import type { Cancel, Component, World } from '#kit/runtime';
import type { EventEnvelope } from './envelope.ts';
import type { EventLog } from './log.ts';
import { backgroundShareMax, createLoop, type Turn } from './loop.ts';

export interface TailOptions {
  readonly name: string;
  readonly topics: readonly string[];
  readonly log: EventLog;
  readonly world: World;
  /** Must be quick. What it throws is logged and the events are gone. */
  readonly handler: (events: readonly EventEnvelope[]) => Promise<void> | void;
  /** Default 500. */
  readonly batchMax?: number;
  /** Default 2,000 ms. */
  readonly pollMs?: number;
}

/**
 * Every process sees every event from its start on, at most once, and nothing is remembered: for caches that are
 * invalidated by events and for screens. What must not be missed wants a `subscribe`.
 */
export function createTail(options: TailOptions): Component {
  const { name, topics, log, world, handler, batchMax = 500, pollMs = 2_000 } = options;
  const { clock, timers, random, log: logger } = world;
  let positions: { topic: string; partition: number; fromOffset: number }[] = [];
  let cancel: Cancel = () => {};
  const loop = createLoop({
    ...{ name: `tail ${name}`, clock, timers, random, log: logger },
    ...{ turn, pollMs, shareMax: backgroundShareMax },
  });

  async function turn(): Promise<Turn> {
    const records = await log.read(positions, batchMax, batchMax);
    if (records.length === 0) return 'idle';
    for (const { topic, partition, offset } of records) {
      const position = positions.find((one) => one.topic === topic && one.partition === partition);
      if (position) position.fromOffset = offset + 1;
    }
    try {
      await handler(records.map((record) => record.event));
    } catch (error) {
      logger.warn('a tail lost events', { tail: name, events: records.length, error });
    }
    return records.length >= batchMax ? 'again' : { worked: records.length };
  }

  return {
    name: `tail ${name}`,
    async start() {
      const bounds = await log.bounds(topics);
      positions = bounds.map(({ topic, partition, nextOffset }) => ({ topic, partition, fromOffset: nextOffset }));
      cancel = await log.onAppend((topic) => {
        if (topic === '' || topics.includes(topic)) loop.wake();
      });
      loop.start();
    },
    async stop() {
      cancel();
      await loop.stop();
    },
  };
}
