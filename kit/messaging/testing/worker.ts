/** A process that relays and consumes, to be killed: `node worker.ts OUTBOX_URL LOG_URL INBOX_URL`. */
import { createHost } from '#kit/runtime';
import { createDatabase } from '#kit/store';
import { createOutbox } from '../outbox.ts';
import { createPostgresLog } from '../postgres-log.ts';
import { subscribe } from '../subscription.ts';
import { quietWorld as world } from './world.ts';

const [outboxUrl = '', logUrl = '', inboxUrl = ''] = process.argv.slice(2);
const open = (url: string) => createDatabase({ url, ...world, connectionsMax: 3 });
const log = createPostgresLog({ database: open(logUrl), world, memberLeaseMs: 300 });
const database = open(inboxUrl);

const host = createHost({ log: world.log, timers: world.timers });
host.add(createOutbox({ source: 'shop', database: open(outboxUrl), log, world, pollMs: 20 }).component);
const subscription = subscribe({
  group: 'killed',
  topics: ['shop'],
  log,
  database,
  world,
  delivery: 'effectively-once',
  batchMax: 20,
  heartbeatMs: 50,
  pollMs: 50,
  async handler(tx, events) {
    await tx.query('insert into applied (key, value) select * from unnest($1::text[], $2::integer[])', [
      events.map((event) => event.subject),
      events.map((event) => event.data as number),
    ]);
  },
});
host.add(subscription.component);
await host.start();
process.stdout.write('ready\n');
