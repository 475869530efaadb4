import { createEnvelope, encodeEnvelope, partitionOf } from '#kit/messaging';
import { poisonPrefix } from '../evidence.ts';
import type { Rig } from '../rig.ts';
import type { Fault } from './fault.ts';
import { query, statement } from './postgres.ts';

/** Whoever reads the events of orders and has to make something of their data. */
const readers = ['analytics', 'notifications'] as const;

const insertSql = 'insert into outbox (partition, key, envelope) values ($1, $2, $3)';

export const poison: Fault = {
  name: 'poison',
  class: 'dependency',
  does: 'publishes an event that no reader can make sense of; those behind it must not wait, and none may be lost',
  durationMs: [1_000, 3_000],
  targets: () => ['orders'],
  async inject(rig) {
    const subject = rig.world.ids.next(poisonPrefix);
    const envelope = createEnvelope(
      { source: 'orders', world: rig.world },
      { type: 'order.confirmed', key: subject, data: { lines: 'none of your business', placedAt: null } },
    );
    await statement(rig, rig.postgres.urlOf('orders'), insertSql, [
      partitionOf(subject),
      subject,
      encodeEnvelope(envelope),
    ]);
    return { detail: subject, effects: () => deadLetters(rig, subject), heal() {} };
  },
};

async function deadLetters(rig: Rig, key: string): Promise<number> {
  let count = 0;
  for (const reader of readers) {
    try {
      const sql = 'select count(*)::int as n from dead_letter where key = $1';
      count += (await query<{ n: number }>(rig.postgres.urlOf(reader), sql, [key]))[0]?.n ?? 0;
    } catch {
      // The server may be down; it is asked again.
    }
  }
  return count;
}
