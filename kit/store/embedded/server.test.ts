import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { type Logger, systemWorld } from '#kit/runtime';
import { serverAccount } from './account.ts';
import { type EmbeddedPostgres, EmbeddedPostgresError, startEmbeddedPostgres } from './index.ts';
import { identify } from './process-identity.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hf-server-'));
  chmodSync(folder, 0o711);
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(dataDir: string, options: { port?: number; onCrash?: (how: string) => void } = {}) {
  const server = await startEmbeddedPostgres({ dataDir, world, lockPatienceMs: 0, ...options });
  cleanUps.push(() => server.stop());
  return server;
}

/** A process of its own that starts a server, so that it can be killed. */
async function startInChild(dataDir: string): Promise<{ child: ChildProcess; serverPid: number; port: number }> {
  const script = fileURLToPath(new URL('./testing.child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanUps.push(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout as NonNullable<typeof child.stdout>), 'line');
  return { child, ...JSON.parse(line) };
}

async function query<R extends pg.QueryResultRow>(url: string, text: string): Promise<R[]> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}

async function failureOf(work: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  return error;
}

const freshTable = 'create table kept (n int); insert into kept values (42)';
const readTable = 'select n from kept';

test('a server keeps its data and its port over a stop and a start, and stop leaves no process', async () => {
  const dataDir = newFolder();
  const first = await start(dataDir);
  await query(first.adminUrl, freshTable);
  await first.stop();
  expect(identify(first.pid)).toBeUndefined();

  const second = await start(dataDir);
  expect(second.port).toBe(first.port);
  expect(await query(second.adminUrl, readTable)).toEqual([{ n: 42 }]);
});

test('what is never traded for speed is on', async () => {
  const server = await start(newFolder());
  const names = "'fsync','full_page_writes','synchronous_commit','data_checksums','password_encryption'";
  const rows = await query<{ name: string; setting: string }>(
    server.adminUrl,
    `select name, setting from pg_settings where name in (${names})`,
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    data_checksums: 'on',
    password_encryption: 'scram-sha-256',
  });
});

test('the password is needed, is in a file that only its owner reads, and is never logged', async () => {
  const dataDir = newFolder();
  const server = await start(dataDir);
  const url = new URL(server.adminUrl);
  const { password } = url;
  url.password = 'guess';
  await expect(query(url.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(dataDir, 'postgres', 'log'), 'utf8')).not.toContain(password);
});

test('a second copy on the same data is refused in one sentence with the pid and the remedy', async () => {
  const dataDir = newFolder();
  const { child, serverPid } = await startInChild(dataDir);
  const refused = await failureOf(start(dataDir));
  expect(refused.code).toBe('data-dir-in-use');
  expect(refused.message).toBe(
    `Another copy (pid ${child.pid}) is running on ${dataDir}: stop it with "kill ${child.pid}", or choose another data directory.`,
  );
  expect(identify(serverPid), 'the running server is left alone').toBeDefined();
  child.stdin?.end();
  await once(child, 'exit');
});

test('after kill -9 of its starter the orphan server is stopped and the data is there', async () => {
  const dataDir = newFolder();
  const { child, serverPid, port } = await startInChild(dataDir);
  const secrets = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'));
  await query(`postgres://postgres:${secrets['role:postgres']}@127.0.0.1:${port}/postgres`, freshTable);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(identify(serverPid), 'the server outlives its starter').toBeDefined();

  const server = await start(dataDir);
  expect(identify(serverPid)).toBeUndefined();
  expect(await query(server.adminUrl, readTable)).toEqual([{ n: 42 }]);
});

test('after kill -9 of the server itself its starter is told, and the next start recovers what was committed', async () => {
  const dataDir = newFolder();
  const crashed = vi.fn();
  const first = await start(dataDir, { onCrash: crashed });
  await query(first.adminUrl, freshTable);
  process.kill(first.pid, 'SIGKILL');
  await expect.poll(() => crashed.mock.calls.length).toBe(1);
  expect(crashed.mock.lastCall?.[0]).toMatch(/ended by SIGKILL/);
  await first.stop();

  const second = await start(dataDir);
  expect(await query(second.adminUrl, readTable)).toEqual([{ n: 42 }]);
});

test('a pid file whose pid now belongs to another program stops neither the program nor the start', async () => {
  const dataDir = newFolder();
  await (await start(dataDir)).stop();
  const account = serverAccount();
  const bystander = spawn('/bin/sleep', ['60'], { ...account.ids, cwd: '/' });
  cleanUps.push(() => bystander.kill('SIGKILL'));
  const cluster = join(dataDir, 'postgres', 'cluster');
  writeFileSync(join(cluster, 'postmaster.pid'), `${bystander.pid}\n${cluster}\n1\n5432\n\n127.0.0.1\n\n`);
  // What a dead holder of the lock leaves behind.
  writeFileSync(join(dataDir, 'lock', `${bystander.pid}-1-longago.claim`), '');
  writeFileSync(join(dataDir, 'lock', `${bystander.pid}-1-longago.held`), '');

  const server = await start(dataDir);
  expect(await query(server.adminUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(bystander.exitCode).toBeNull();
});

test('an interrupted first start leaves nothing that the next one stumbles over', async () => {
  const dataDir = newFolder();
  const half = join(dataDir, 'postgres', 'cluster.new');
  mkdirSync(half, { recursive: true });
  chmodSync(join(dataDir, 'postgres'), 0o711);
  writeFileSync(join(half, 'PG_VERSION'), '18\n');
  const server = await start(dataDir);
  expect(await query(server.adminUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
  expect(existsSync(half)).toBe(false);
});

test('a port that was asked for and is in use is refused; one that was only remembered is replaced', async () => {
  const dataDir = newFolder();
  const first = await start(dataDir);
  await first.stop();
  const squatter = createServer().listen(first.port, '127.0.0.1');
  await once(squatter, 'listening');
  cleanUps.push(() => new Promise((resolve) => squatter.close(resolve)));

  const refused = await failureOf(start(dataDir, { port: first.port }));
  expect(refused.code).toBe('port-in-use');
  expect(refused.message).toContain(`Port ${first.port} for the database server is in use`);
  const second = await start(dataDir);
  expect(second.port).not.toBe(first.port);
});

test('a data directory with a path too long for a socket gets a short one elsewhere', async () => {
  const dataDir = join(newFolder(), 'a'.repeat(60), 'b'.repeat(60));
  const server: EmbeddedPostgres = await start(dataDir);
  expect(server.socketDirectory.startsWith(dataDir)).toBe(false);
  const url = new URL(server.adminUrl);
  const viaSocket = new pg.Client({
    host: server.socketDirectory,
    port: server.port,
    user: url.username,
    password: url.password,
    database: 'postgres',
  });
  await viaSocket.connect();
  await viaSocket.end();
  await server.stop();
  expect(existsSync(server.socketDirectory)).toBe(false);
});

test('a data directory that can’t be made is refused with the reason and a remedy', async () => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, '');
  const refused = await failureOf(start(join(file, 'data')));
  expect(refused.code).toBe('data-dir-unwritable');
  expect(refused.message).toMatch(/can't be made \(ENOTDIR\): a file is in its place or on its way; move that file/);
  expect((await failureOf(start(file))).message).toMatch(/can't be made \(EEXIST\): a file is in its place/);
});

test.runIf(process.getuid?.() === 0)('a data directory that the server’s account can’t reach is refused', async () => {
  const closed = newFolder();
  chmodSync(closed, 0o700);
  const refused = await failureOf(start(join(closed, 'data')));
  expect(refused.code).toBe('data-dir-unreachable');
  expect(refused.message).toMatch(/runs as "nobody" and can't get to .* choose a data directory below/);
});

test.runIf(process.getuid?.() === 0)('a user who is not root runs the server as themselves', async () => {
  const dataDir = newFolder();
  const { ids } = serverAccount();
  const own = join(dataDir, 'own');
  mkdirSync(own);
  const { chownSync } = await import('node:fs');
  chownSync(own, ids?.uid as number, ids?.gid as number);
  const script = fileURLToPath(new URL('./testing.child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, own], { ...ids, cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] });
  cleanUps.push(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const { serverPid } = JSON.parse(line);
  expect(statSync(`/proc/${serverPid}`).uid).toBe(ids?.uid);
  child.stdin.end();
  await once(child, 'exit');
  expect(identify(serverPid)).toBeUndefined();
});
