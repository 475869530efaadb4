import type { EventEnvelope, EventLog } from '#kit/messaging';
import type { Transaction } from '#kit/runtime';
import type { Counters } from './counters.ts';

/** The lab's own consumer: it keeps a row for each event that it was given, in the order in which it was. */
export type ReaderHandler = (tx: Transaction, events: readonly EventEnvelope[]) => Promise<void>;

/** Fails on events of one order in eight, always the same ones. */
export function refusePoison(handler: ReaderHandler): ReaderHandler {
  return async (tx, events) => {
    const poisoned = events.find(({ type, subject }) => type !== 'order.received' && subject.charCodeAt(20) % 8 === 0);
    if (poisoned) throw new Error(`${poisoned.id} can't be handled`);
    await handler(tx, events);
  };
}

export const applyEvents: ReaderHandler = async (tx, events) => {
  await tx.query(
    `insert into applied (event_id, order_id, type)
     select * from unnest($1::text[], $2::text[], $3::text[])`,
    [events.map((event) => event.id), events.map((event) => event.subject), events.map((event) => event.type)],
  );
  for (const event of events) {
    const { state } = event.data as { state: string };
    await tx.query(
      `insert into order_view (order_id, state, events) values ($1, $2, 1)
       on conflict (order_id) do update set state = excluded.state, events = order_view.events + 1`,
      [event.subject, state],
    );
  }
};

/**
 * Counts the events that a group is given again: after a member was lost between effect and position, when partitions
 * change hands, after a commit that was undone. `readUpTo` is shared by all members.
 */
export function countRedeliveries(
  log: EventLog,
  group: string,
  readUpTo: Map<string, number>,
  faults: Counters,
): EventLog {
  return {
    ...log,
    async read(ranges, limit, limitPerRange) {
      const records = await log.read(ranges, limit, limitPerRange);
      for (const { topic, partition, offset } of records) {
        const name = `${group} ${topic} ${partition}`;
        const known = readUpTo.get(name) ?? -1;
        if (offset <= known) faults.add('event delivered again');
        else readUpTo.set(name, offset);
      }
      return records;
    },
  };
}
