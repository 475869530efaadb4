/** Starts a server, gives a service its database, uses it, and stops. Run it twice: the second start is quick. */
import pg from 'pg';
import { type Logger, systemWorld } from '#kit/runtime';
import { provisionDatabase, startEmbeddedPostgres } from '#kit/store/embedded';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);

const startedMs = world.clock.monotonicMs();
const server = await startEmbeddedPostgres({ dataDir: '/tmp/embedded-example', world });
process.stdout.write(`started in ${Math.round(world.clock.monotonicMs() - startedMs)} ms\n`);
try {
  const url = await provisionDatabase({
    admin: server.adminUrl,
    database: 'greetings',
    role: 'greeter',
    secrets: server.secrets,
    random: world.random,
  });
  const client = new pg.Client(url);
  await client.connect();
  await client.query('create table if not exists greeting (id int generated always as identity, at timestamptz)');
  const { rows } = await client.query(
    'insert into greeting (at) values (now()) returning id, current_user::text as by',
  );
  await client.end();
  process.stdout.write(`greeting ${rows[0].id} by ${rows[0].by}\n`);
} finally {
  await server.stop();
}
