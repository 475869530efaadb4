import { createEnvelope, createPostgresLog, type EventEnvelope, type EventLog, subscribe } from '#kit/messaging';
import type { Transaction } from '#kit/runtime';
import type { Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';

/**
 * Members of one group consume a topic while it is written. Leases are so short that partitions change hands in the
 * middle of batches, members leave and come back; the effects are written with the position, in one transaction.
 */
export const consumers: Workload = {
  name: 'consumers',
  summary: 'messaging: one group, many members, partitions that change hands in the middle of a batch',
  tables: ['log_event', 'log_partition', 'log_group', 'inbox_position', 'dead_letter', 'dead_letter_key', 'lab_effect'],
  async round(round) {
    const log = createPostgresLog({ database: round.plain, world: round.process('before').world });
    const keys = Array.from({ length: round.between(2, 8) }, (_, i) => `key-${i}`);
    const batches = Array.from({ length: round.between(4, 14) }, (_, i) => eventsOf(round, keys, i));
    const early = round.between(1, batches.length - 1);
    for (const batch of batches.slice(0, early)) await log.append(topic, batch);
    const total = batches.flat().length;
    const rest = batches.slice(early);
    const programs = [
      await writer(round, 'writer-1', rest.slice(0, rest.length / 2)),
      await writer(round, 'writer-2', rest.slice(rest.length / 2)),
    ];
    for (let i = crowd(round, 6); i > 0; i--) programs.push(await member(round, `member-${i}`, total));
    await round.run(programs);
    await checkEffects(round, log, batches.flat());
  },
};

const topic = 'things';
const group = 'readers';
const looksMax = 60;

function eventsOf(round: Round, keys: readonly string[], batch: number): EventEnvelope[] {
  const { world } = round.process(`batch-${batch}`);
  return Array.from({ length: round.between(1, 6) }, (_, i) =>
    createEnvelope({ source: 'lab', world }, { type: 'thing', key: round.pick(keys), data: batch * 100 + i }),
  );
}

async function writer(round: Round, name: string, batches: readonly EventEnvelope[][]) {
  const { world, open } = round.process(name);
  const log = createPostgresLog({ database: await open(), world });
  return async () => {
    for (const batch of batches) await log.append(topic, batch);
  };
}

async function member(round: Round, name: string, total: number) {
  const process = round.process(name);
  const database = await process.open();
  const log = createPostgresLog({
    database: await process.open(),
    world: process.world,
    memberLeaseMs: round.pick([1, 20, 10_000]),
  });
  const batchMax = round.between(1, 20);
  const stays = round.between(1, 3);
  return async () => {
    for (let stay = 1; stay <= stays; stay++) {
      const { component } = subscribe({
        group,
        topics: [topic],
        log,
        database,
        world: process.world,
        batchMax,
        pollMs: 100,
        heartbeatMs: 40,
        delivery: 'effectively-once',
        handler: applyEvents,
      });
      await component.start?.();
      for (let looks = 0; looks < looksMax / stays; looks++) {
        await process.world.timers.sleep(60);
        if (stay === stays && (await effectCount(round)) >= total) break;
      }
      await component.drain?.();
      await component.stop?.();
    }
  };
}

async function applyEvents(tx: Transaction, events: readonly EventEnvelope[]): Promise<void> {
  await tx.query('insert into lab_effect (key, what) select * from unnest($1::text[], $2::text[])', [
    events.map((event) => event.subject),
    events.map((event) => String(event.data)),
  ]);
}

async function effectCount({ plain }: Round): Promise<number> {
  return (await plain.query<{ n: number }>('select count(*)::int as n from lab_effect')).rows[0]?.n ?? 0;
}

async function checkEffects(round: Round, log: EventLog, events: readonly EventEnvelope[]): Promise<void> {
  const { rows } = await round.plain.query<{ key: string; seen: readonly number[] }>(
    `select key, array_agg(what::int order by id) as seen from lab_effect group by key`,
  );
  const seenOf = new Map(rows.map((row) => [row.key, row.seen]));
  const positions = await round.plain.query<{ partition: number; next: number }>(
    'select partition, next_offset as next from inbox_position where group_name = $1',
    [group],
  );
  const next = new Map(positions.rows.map((row) => [row.partition, row.next]));
  for (const bounds of await log.bounds([topic])) {
    const { rows: logged } = await round.plain.query<{ key: string; n: number }>(
      `select envelope ->> 'subject' as key, (envelope ->> 'data')::int as n from log_event
       where topic = $1 and partition = $2 and "offset" < $3 order by "offset"`,
      [topic, bounds.partition, next.get(bounds.partition) ?? 0],
    );
    for (const key of new Set(logged.map((one) => one.key))) {
      const wanted = logged.filter((one) => one.key === key).map(({ n }) => n);
      const seen = seenOf.get(key) ?? [];
      if (wanted.join() !== seen.join()) {
        round.violate('each event is applied once, in order per key', `${key}: log ${wanted}, applied ${seen}`);
      }
    }
  }
  const applied = rows.reduce((sum, row) => sum + row.seen.length, 0);
  if (applied < events.length)
    round.violate('consumers get to the end', `${applied} of ${events.length} events applied`);
}
