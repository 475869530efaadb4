import { createEnvelope, createOutbox, createPostgresLog, type EventDraft } from '#kit/messaging';
import type { Database, World } from '#kit/runtime';
import type { Relay } from '../../../kit/messaging/relay.ts';
import type { LabProcess, Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';

/**
 * Transactions publish, some for long, some in vain, while two or more relays move what is committed to the log. Ids are
 * drawn before commits, so lower ones become visible later.
 */
export const outbox: Workload = {
  name: 'outbox',
  summary: 'messaging: late, early and failed publishers; two to four relays between one outbox and the log',
  tables: ['outbox', 'log_event', 'log_partition', 'log_producer', 'lab_counter', 'lab_cursor'],
  async round(round) {
    await round.plain.query('update outbox_partition set relay = null');
    const keys = Array.from({ length: round.between(2, 8) }, (_, i) => `key-${i}`);
    const state = { publishers: 0 };
    const programs = [];
    for (let i = crowd(round, 16); i > 0; i--) {
      state.publishers += 1;
      programs.push(
        await publisher(round, `publisher-${i}`, keys, () => {
          state.publishers -= 1;
        }),
      );
    }
    for (let i = round.between(2, 4); i > 0; i--) {
      programs.push(await relayer(round, `relay-${i}`, () => state.publishers === 0));
    }
    programs.push(await importer(round));
    await round.run(programs);
    await relayTheRest(round);
    await checkLog(round);
  },
};

const source = 'shop';
const turnsMax = 300;

class Failed extends Error {}

/** One process: its transactions count up the keys that they publish for, so the order of the commits is known. */
async function publisher(round: Round, name: string, keys: readonly string[], onEnd: () => void) {
  const { world, open } = round.process(name);
  const database = await open();
  const log = createPostgresLog({ database: round.plain, world });
  const { publish } = createOutbox({ source, database, log, world });
  const transactions = Array.from({ length: round.between(1, 5) }, () => ({
    // In one order, so that they do not deadlock: that is not what is looked for here.
    keys: keys
      .toSorted(() => round.random.next() - 0.5)
      .slice(0, round.between(1, 2))
      .toSorted(),
    // What it does after it has published: its events are late by that.
    rests: round.pick([0, 0, 2, 6]),
    fails: round.chance(0.15),
  }));
  return async () => {
    for (const { keys: own, rests, fails } of transactions) {
      await database
        .transaction(async (tx) => {
          const events: EventDraft[] = [];
          for (const key of own) {
            const { rows } = await tx.query<{ n: number }>(
              'insert into lab_counter values ($1, 1) on conflict (key) do update set n = lab_counter.n + 1 returning n',
              [key],
            );
            events.push({ type: 'counted', key, data: rows[0]?.n });
          }
          await publish(tx, events);
          for (let i = 0; i < rests; i++) await tx.query('select 1');
          if (fails) throw new Failed();
        })
        .catch((error) => {
          if (!(error instanceof Failed)) throw error;
        });
    }
    onEnd();
  };
}

/** Appends to the same partitions without an outbox, so that the relays are not alone there. */
async function importer(round: Round) {
  const { world, open } = round.process('importer');
  const log = createPostgresLog({ database: await open(), world });
  const batches = Array.from({ length: round.between(1, 5) }, (_, batch) =>
    Array.from({ length: 4 }, (_, i) =>
      createEnvelope({ source, world }, { type: 'imported', key: `import-${i}`, data: batch }),
    ),
  );
  return async () => {
    for (const batch of batches) await log.append(source, batch);
  };
}

async function createRelayOf(round: Round, { world, open }: LabProcess, leaseMs: number): Promise<Relay> {
  const database = await open();
  return relayOn(round, world, database, await open(), leaseMs);
}

function relayOn(round: Round, world: World, database: Database, logDatabase: Database, leaseMs: number): Relay {
  const log = createPostgresLog({ database: logDatabase, world });
  return round.parts.createRelay({ source, database, log, world, partitionBatchMax: round.between(1, 4), leaseMs });
}

async function relayer(round: Round, name: string, isOver: () => boolean) {
  const process = round.process(name);
  // Nothing depends on the lease: without one, relays get into each other's way all the time.
  const relay = await createRelayOf(round, process, round.pick([0, 0, 20, 1_000]));
  return async () => {
    for (let turns = 0; turns < turnsMax; turns++) {
      const turn = await relay.turn();
      if (turn === 'idle' && isOver()) break;
      if (turn === 'idle') await process.world.timers.sleep(1_000);
      else if (turn !== 'again' && 'afterMs' in turn) await process.world.timers.sleep(turn.afterMs);
    }
    await relay.leave();
  };
}

/** What a crash of all relays would leave, the next one relays. */
async function relayTheRest(round: Round): Promise<void> {
  await round.plain.query('update outbox_partition set relay = null');
  const { world } = round.process('last relay');
  const relay = relayOn(round, world, round.plain, round.plain, 0);
  for (let turns = 0; turns < turnsMax && (await relay.turn()) !== 'idle'; turns++);
}

async function checkLog(round: Round): Promise<void> {
  const { rows } = await round.plain.query<{ key: string; n: number; seen: readonly number[] | null }>(
    `select key, n, (select array_agg((envelope ->> 'data')::int order by "offset") from log_event
       where topic = $1 and envelope ->> 'subject' = key) as seen from lab_counter`,
    [source],
  );
  for (const { key, n, seen } of rows) {
    const found = seen ?? [];
    const lost = Array.from({ length: n }, (_, i) => i + 1).filter((one) => !found.includes(one));
    if (lost.length > 0)
      round.violate('no event is lost', `${key}: ${lost.join(', ')} of ${n}; log: ${found.join(', ')}`);
    if (new Set(found).size < found.length) round.violate('no event is there twice', `${key}: ${found.join(', ')}`);
    if (found.some((one, i) => i > 0 && one < (found[i - 1] as number))) {
      round.violate('events of one key are in the order of the commits', `${key}: ${found.join(', ')}`);
    }
  }
  const gaps = await round.plain.query<{ partition: number }>(
    `select p.partition from log_partition p left join log_event e using (topic, partition)
     group by p.topic, p.partition having count(e."offset") <> p.next_offset or coalesce(max(e."offset"), -1) <> p.next_offset - 1`,
  );
  for (const { partition } of gaps.rows) round.violate('offsets have no gaps', `partition ${partition}`);
}
