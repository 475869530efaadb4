import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import pg from 'pg';
import type { Random } from '#kit/runtime';
import { EmbeddedPostgresError } from './errors.ts';
import type { Secrets } from './secrets.ts';

interface Wanted {
  readonly database: string;
  /** Owns the database; no other role but the administrators can connect to it. */
  readonly role: string;
}

interface ProvisionAllOptions {
  /** URL of a role that may create roles and databases, on any PostgreSQL ≥ 15. */
  readonly admin: string;
  readonly wanted: readonly Wanted[];
  /** Where the roles' generated passwords are kept. */
  readonly secrets: Secrets;
  readonly random: Random;
}

export const serverVersionMin = 15;

/** One lock for all provisioning on a server: two starters at once take turns instead of failing. */
const provisionLock = 0x401d_fa57;

/**
 * Makes sure that the databases and their owners exist and that no other role can connect. Repeating it changes nothing.
 * Returns the URLs with which the roles connect, in the order in which they are wanted.
 */
export async function provisionDatabases(options: ProvisionAllOptions): Promise<string[]> {
  return withClient(options.admin, async (client) => {
    await checkServerVersion(client);
    await client.query('select pg_advisory_lock($1)', [provisionLock]);
    const urls: string[] = [];
    for (const wanted of options.wanted) urls.push(await provision(client, wanted, options));
    return urls;
  });
}

/** One of them. */
export async function provisionDatabase(options: Omit<ProvisionAllOptions, 'wanted'> & Wanted): Promise<string> {
  const [url] = await provisionDatabases({ ...options, wanted: [options] });
  return url as string;
}

async function provision(
  client: pg.Client,
  { database, role }: Wanted,
  { admin, secrets, random }: ProvisionAllOptions,
): Promise<string> {
  const password = secrets.ensure(`role:${role}`);
  // Made where it is wanted, which is seldom: it takes four thousand rounds of a hash.
  const verifier = () => scramVerifier(password, random.bytes(16));
  await ensureRole(client, role, verifier);
  await ensureDatabase(client, database, role);
  const url = roleUrl(admin, database, role, password);
  // The file and the server may disagree: the file was lost, or a crash came between the two.
  if (!(await passwordFits(url))) {
    await client.query(`alter role ${pg.escapeIdentifier(role)} password '${verifier()}'`);
  }
  return url;
}

function roleUrl(admin: string, database: string, role: string, password: string): string {
  const url = new URL(admin);
  url.username = encodeURIComponent(role);
  url.password = password;
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/** The server gets only what it keeps, the verifier: the password can't reach its logs or its statistics. */
async function ensureRole(client: pg.Client, role: string, verifier: () => string): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role]);
  if (rowCount !== 0) return;
  const name = pg.escapeIdentifier(role);
  await client.query(`create role ${name} login nosuperuser nocreatedb nocreaterole password '${verifier()}'`);
}

async function passwordFits(url: string): Promise<boolean> {
  try {
    await withClient(url, async () => {});
    return true;
  } catch (error) {
    const invalidPassword = '28P01';
    if (error instanceof pg.DatabaseError && error.code === invalidPassword) return false;
    throw error;
  }
}

async function ensureDatabase(client: pg.Client, database: string, role: string): Promise<void> {
  const name = pg.escapeIdentifier(database);
  const owner = pg.escapeIdentifier(role);
  const found = await client.query('select datacl::text as acl from pg_database where datname = $1', [database]);
  if (found.rowCount === 0) {
    // Who is no superuser must belong to a role to give it something.
    const { rows } = await client.query('select rolsuper from pg_roles where rolname = current_user');
    if (!rows[0]?.rolsuper) await client.query(`grant ${owner} to current_user`);
    await client.query(`create database ${name} owner ${owner}`);
  }
  // Asked again even when the database is there: a crash may have come between the two statements.
  if (found.rows[0]?.acl === undefined || found.rows[0].acl === null) {
    await client.query(`revoke all on database ${name} from public`);
  }
}

/** Services have no business in the maintenance databases either. */
export async function closePublicDoors(admin: string): Promise<void> {
  await withClient(admin, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      "select datname from pg_database where datname in ('postgres', 'template1') and has_database_privilege('public', oid, 'connect')",
    );
    for (const { datname } of rows) {
      await client.query(`revoke all on database ${pg.escapeIdentifier(datname)} from public`);
    }
  });
}

async function checkServerVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query("select current_setting('server_version_num')::int / 10000 as major");
  if (rows[0].major >= serverVersionMin) return;
  throw new EmbeddedPostgresError(
    'server-version',
    `The server is PostgreSQL ${rows[0].major}, and ${serverVersionMin} or newer is needed: upgrade it, or leave the URL out to use the embedded one.`,
  );
}

/** SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5802, RFC 7677; src/common/scram-common.c). */
function scramVerifier(password: string, salt: Uint8Array, iterations = 4096): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`;
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'holdfast provision' });
  // A connection that breaks while idle emits an event; the next query reports it.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
