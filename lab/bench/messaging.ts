import { inboxMigrations, logMigrations, outboxMigrations } from '#kit/messaging';
import { type MessagingBenchResult, measureMessaging } from '#kit/messaging/bench';
import { createDatabase, migrate } from '#kit/store';
import type { BenchOptions } from './options.ts';
import { barOf, median, openReport, type Report, rounded } from './report.ts';
import { benchWorld, startBenchServer } from './server.ts';

/** From an outbox through the log to a consumer, effectively once, with three databases on one server. */
export async function benchMessaging(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const { rounds } = options;
  const finish = openReport('messaging');
  const server = await startBenchServer(['outbox', 'log', 'inbox']);
  const open = async (name: string, migrations: Parameters<typeof migrate>[1][number]) => {
    const url = server.urls[name] as string;
    await migrate(url, [migrations]);
    return createDatabase({ url, name, ...benchWorld });
  };
  const outboxDatabase = await open('outbox', outboxMigrations);
  const logDatabase = await open('log', logMigrations);
  const inboxDatabase = await open('inbox', inboxMigrations);
  try {
    const results: MessagingBenchResult[] = [];
    for (let round = 1; round <= rounds; round++) {
      await server.vacuum();
      await server.checkpoint();
      const result = await measureMessaging({ outboxDatabase, logDatabase, inboxDatabase, world: benchWorld });
      results.push(result);
      const { eventsPerSec, idleP50Ms, idleP99Ms } = result;
      onProgress(
        `round ${round}/${rounds}  ${eventsPerSec.toFixed(0)} events/s, idle p50 ${idleP50Ms.toFixed(1)} ms, p99 ${idleP99Ms.toFixed(1)} ms`,
      );
    }
    const perSec = rounded(median(results.map(({ eventsPerSec }) => eventsPerSec)), 0);
    const p50Ms = rounded(median(results.map(({ idleP50Ms }) => idleP50Ms)), 2);
    const p99Ms = rounded(median(results.map(({ idleP99Ms }) => idleP99Ms)), 2);
    return finish({
      bars: [
        barOf({ name: 'events a second', value: perSec, limit: 5_000, unit: '/s', rule: 'at-least' }),
        barOf({ name: 'idle p99', value: p99Ms, limit: 50, unit: 'ms', rule: 'below' }),
      ],
      ratios: {},
      // Throughput of many, latency of one at a time when nothing else happens.
      runs: [{ name: 'outbox-to-consumer', clients: 1, perSec, p50Ms, p99Ms }],
      details: { rounds, everyRound: results },
    });
  } finally {
    await Promise.all([outboxDatabase, logDatabase, inboxDatabase].map((database) => database.close()));
    await server.stop();
  }
}
