import type { Database, World } from '#kit/runtime';
import { createOutbox } from '../outbox.ts';
import { createPostgresLog } from '../postgres-log.ts';
import { subscribe } from '../subscription.ts';

export interface MessagingBenchOptions {
  /** With `outboxMigrations`. */
  readonly outboxDatabase: Database;
  /** With `logMigrations`. */
  readonly logDatabase: Database;
  /** With `inboxMigrations`. */
  readonly inboxDatabase: Database;
  readonly world: World;
  /** Events of the throughput run. Default 30,000. */
  readonly events?: number;
  /** Events of the latency run, one after the other. Default 200. */
  readonly singles?: number;
}

export interface MessagingBenchResult {
  /** Written, relayed, consumed and recorded, all in the same seconds. */
  readonly eventsPerSec: number;
  /** From the call of `publish` in its own transaction to the handler, when nothing else happens. */
  readonly idleP50Ms: number;
  readonly idleP99Ms: number;
}

/** Outbox to consumer, effectively once, with events of about 700 bytes in transactions of 64. */
export async function measureMessaging(options: MessagingBenchOptions): Promise<MessagingBenchResult> {
  const { outboxDatabase, logDatabase, inboxDatabase, world, events = 30_000, singles = 200 } = options;
  const { clock } = world;
  await inboxDatabase.query('create table if not exists bench_seen (key text primary key, count bigint not null)');
  let handled = 0;
  let onHandled = () => {};
  const log = createPostgresLog({ database: logDatabase, world });
  const outbox = createOutbox({ source: 'bench', database: outboxDatabase, log, world });
  const subscription = subscribe({
    group: 'bench',
    topics: ['bench'],
    log,
    database: inboxDatabase,
    world,
    delivery: 'effectively-once',
    async handler(tx, batch) {
      await tx.query(
        `insert into bench_seen as s select key, count(*) from unnest($1::text[]) as key group by key order by key
         on conflict (key) do update set count = s.count + excluded.count`,
        [batch.map((event) => event.subject)],
      );
      handled += batch.length;
      onHandled();
    },
  });
  await outbox.component.start?.();
  await subscription.component.start?.();

  async function publish(from: number, count: number): Promise<void> {
    const drafts = Array.from({ length: count }, (_, i) => ({
      type: 'order.confirmed',
      key: `ord_${(from + i) % 1_000}`,
      data: sample,
    }));
    await outboxDatabase.transaction((tx) => outbox.publish(tx, drafts));
    outbox.wake();
  }

  async function untilHandled(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    onHandled = () => {
      if (handled >= count) resolve();
    };
    onHandled();
    await promise;
  }

  try {
    // A baseline counts only when connections, plans and tables are warm.
    for (let i = 0; i < 2_000; i += 64) await publish(i, 64);
    let expected = handledAfter(2_000);
    await untilHandled(expected);

    const batches = Math.ceil(events / 64);
    const startMs = clock.monotonicMs();
    for (let i = 0; i < batches; i++) await publish(i * 64, 64);
    expected += batches * 64;
    await untilHandled(expected);
    const eventsPerSec = (batches * 64) / ((clock.monotonicMs() - startMs) / 1000);

    const latenciesMs: number[] = [];
    for (let i = 0; i < singles; i++) {
      await world.timers.sleep(2);
      const sentMs = clock.monotonicMs();
      await publish(i, 1);
      await untilHandled(++expected);
      latenciesMs.push(clock.monotonicMs() - sentMs);
    }
    latenciesMs.sort((a, b) => a - b);
    const quantile = (q: number) => latenciesMs[Math.min(singles - 1, Math.floor(q * singles))] ?? Number.NaN;
    return { eventsPerSec, idleP50Ms: quantile(0.5), idleP99Ms: quantile(0.99) };
  } finally {
    await subscription.component.stop?.();
    await outbox.component.stop?.();
  }
}

function handledAfter(count: number): number {
  return Math.ceil(count / 64) * 64;
}

const sample = {
  businessKey: 'b3c0ffee-0000-4000-8000-000000000000',
  state: 'confirmed',
  customer: { id: 'usr_01j0000000000000000000000', email: 'someone@example.org' },
  channel: 'web',
  currency: 'EUR',
  totalMinor: 12_345,
  lines: Array.from({ length: 3 }, (_, i) => ({
    sku: `SKU-${i}`,
    name: 'A thing of some sort',
    kind: 'goods',
    quantity: 2,
    unitPriceMinor: 1_000,
    totalMinor: 2_000,
  })),
};
