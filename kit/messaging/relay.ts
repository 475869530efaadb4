import type { Database, Transaction, World } from '#kit/runtime';
import type { EventLog, ExactAppend, LastAppend } from './log.ts';
import { isAnyFull, type Turn } from './loop.ts';
import type { MessagingMetrics } from './metrics.ts';

/**
 * Moves events from an outbox to the log: each exactly once, in order per partition, whatever crashes in between.
 *
 * A cursor (`id > last`) would lose events: ids are drawn before commits, so a lower id may become visible later. So
 * rows are deleted when they are in the log, and never skipped. As outbox and log are two databases, the log remembers
 * which ids it took last (the producer's row), and a turn is:
 *
 *   1. know the producer's version and ids: asked of the log at first and after anything unexpected, then remembered;
 *   2. in one transaction of the outbox: delete those ids, read the next rows;
 *   3. in one transaction of the log: if the version is still the same, append them, remember their ids, version + 1.
 *
 * A crash before 3 has changed nothing. After 3 the rows are still in the outbox, and the next turn, by whichever
 * relay, deletes them before it reads. A relay that was overtaken in between (or whose step 3 is repeated after an
 * unknown outcome) expects an old version and is refused. The lease on a partition only saves relays from doing the
 * same work at the same time; nothing depends on it.
 */
export interface Relay {
  turn(): Promise<Turn>;
  /** Gives leases back, so that another relay need not wait for them to end. */
  leave(): Promise<void>;
}

export interface RelayOptions {
  readonly source: string;
  readonly database: Database;
  readonly log: EventLog;
  readonly world: Pick<World, 'clock' | 'ids' | 'log'>;
  readonly metrics?: MessagingMetrics;
  readonly partitionBatchMax?: number;
  readonly leaseMs?: number;
}

interface OutboxRow {
  readonly partition: number;
  readonly id: number;
  readonly envelope: string;
}

const identitySql = `select id::text from outbox_identity`;

const anySql = `select exists (select from outbox) as found`;

const deleteSql = `
  delete from outbox o using unnest($1::smallint[], $2::bigint[]) as d (partition, id)
  where o.partition = d.partition and o.id = d.id`;

/** Leases the partitions that have rows and nobody else is at, gives back those that have none, and reads. */
const takeSql = `
  with free as (
    select p.partition from outbox_partition p
    where (p.relay is null or p.relay = $1 or p.leased_until < now())
      and exists (select from outbox o where o.partition = p.partition)
    for update of p skip locked
  ), released as (
    update outbox_partition set relay = null
    where relay = $1 and not exists (select from outbox o where o.partition = outbox_partition.partition)
  ), leased as (
    update outbox_partition p set relay = $1, leased_until = now() + make_interval(secs => $2)
    from free where p.partition = free.partition
  )
  select o.partition, o.id, o.envelope
  from free cross join lateral (
    select q.partition, q.id, q.envelope::text as envelope from outbox q
    where q.partition = free.partition order by q.id limit $3
  ) o
  order by o.partition, o.id`;

const leaveSql = `update outbox_partition set relay = null where relay = $1`;

/** How soon to look again when another relay is at work on what is there. */
const contendedDelayMs = 50;

export function createRelay(options: RelayOptions): Relay {
  const { source, database, log, world, metrics, partitionBatchMax = 64, leaseMs = 1_000 } = options;
  const relay = world.ids.next('relay');
  let producer: string | undefined;
  /** What the log took last, as far as we know; undefined when we have to ask. */
  let last: Map<number, LastAppend> | undefined;
  let isIdle = false;

  async function askTheLog(): Promise<Map<number, LastAppend>> {
    producer ??= await producerName();
    return new Map(await log.lastAppends(source, producer));
  }

  /** Includes the outbox's own identity: ids of another outbox under the same name must not be taken for ours. */
  async function producerName(): Promise<string> {
    const { rows } = await database.query<{ id: string }>(identitySql);
    return `${source}:${rows[0]?.id}`;
  }

  async function take(known: ReadonlyMap<number, LastAppend>): Promise<readonly OutboxRow[]> {
    const done = idsOf(known);
    return database.transaction(async (tx) => {
      const deleted = done.ids.length > 0 ? tx.query(deleteSql, [done.partitions, done.ids]) : undefined;
      const taken = takeRows(tx);
      await Promise.all([deleted, taken]);
      return taken;
    });
  }

  async function takeRows(tx: Transaction): Promise<readonly OutboxRow[]> {
    return (await tx.query<OutboxRow>(takeSql, [relay, leaseMs / 1000, partitionBatchMax])).rows;
  }

  async function turn(): Promise<Turn> {
    // What an idle relay costs: this, once a second.
    if (isIdle && !(await hasRows())) return 'idle';
    isIdle = false;
    last ??= await askTheLog();
    const startMs = world.clock.monotonicMs();
    const rows = await take(last);
    // Committed: those ids are gone for good and need not be named again.
    for (const [partition, { version }] of last) last.set(partition, { version, outboxIds: [] });
    if (rows.length === 0) {
      if (await hasRows()) return { afterMs: contendedDelayMs };
      isIdle = true;
      return 'idle';
    }
    await append(rows, last, startMs);
    return isAnyFull(rows, ({ partition }) => partition, partitionBatchMax) ? 'again' : { worked: rows.length };
  }

  async function hasRows(): Promise<boolean> {
    return (await database.query<{ found: boolean }>(anySql)).rows[0]?.found === true;
  }

  async function append(rows: readonly OutboxRow[], known: Map<number, LastAppend>, startMs: number): Promise<void> {
    const appends = appendsOf(rows, known);
    // Whatever goes wrong from here on, only the log knows how it ended.
    last = undefined;
    const accepted = await log.appendExactly(source, producer as string, appends);
    let count = 0;
    for (const { partition, expectedVersion, outboxIds } of appends) {
      if (!accepted.has(partition)) continue;
      known.set(partition, { version: expectedVersion + 1, outboxIds });
      count += outboxIds.length;
    }
    if (accepted.size === appends.length) last = known;
    else world.log.debug('another relay was first', { source, partitions: appends.length - accepted.size });
    if (count > 0) metrics?.relayed?.({ source, count, durationMs: world.clock.monotonicMs() - startMs });
  }

  return {
    turn,
    async leave() {
      await database.query(leaveSql, [relay]).catch((error) => world.log.debug('leases were left to end', { error }));
    },
  };
}

function idsOf(known: ReadonlyMap<number, LastAppend>): { partitions: number[]; ids: number[] } {
  const partitions: number[] = [];
  const ids: number[] = [];
  for (const [partition, { outboxIds }] of known) {
    for (const id of outboxIds) {
      partitions.push(partition);
      ids.push(id);
    }
  }
  return { partitions, ids };
}

function appendsOf(rows: readonly OutboxRow[], known: ReadonlyMap<number, LastAppend>): readonly ExactAppend[] {
  const appends = new Map<number, { ids: number[]; envelopes: string[] }>();
  for (const row of rows) {
    const append = appends.get(row.partition) ?? { ids: [], envelopes: [] };
    append.ids.push(row.id);
    append.envelopes.push(row.envelope);
    appends.set(row.partition, append);
  }
  return [...appends].map(([partition, { ids, envelopes }]) => ({
    partition,
    expectedVersion: known.get(partition)?.version ?? 0,
    outboxIds: ids,
    envelopes,
  }));
}
