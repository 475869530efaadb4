import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Logger, systemWorld } from '#kit/runtime';
import { startEmbeddedPostgres } from './embedded/index.ts';
import { createTestDatabase } from './embedded/testing.ts';
import { createBatchWriter, createDatabase } from './index.ts';
import { createFaultyProxy } from './testing/proxy.ts';

const lines: string[] = [];
const note = (message: string) => void lines.push(message);
const log: Logger = { debug() {}, info() {}, warn: note, error: note, with: () => log };
const world = systemWorld(log);

/** The server and its sessions, the server first: what it starts meanwhile is none that we missed. */
function treeOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

test.runIf(process.platform === 'linux')(
  'a server that stands still (SIGSTOP) keeps nobody waiting but the first, and is used again as soon as it goes on',
  { timeout: 120_000 },
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-pulse-'));
    chmodSync(dataDir, 0o711);
    const server = await startEmbeddedPostgres({ dataDir, world });
    const database = createDatabase({ url: server.adminUrl, name: 'stopped', ...world, pulseMs: 1_000 });
    const signalAll = (signal: 'SIGSTOP' | 'SIGCONT') => {
      process.kill(server.pid, signal);
      for (const pid of treeOf(server.pid)) process.kill(pid, signal);
    };
    onTestFinished(async () => {
      signalAll('SIGCONT');
      await database.close();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    });
    await database.query('create table kept (key int primary key)');
    const writer = createBatchWriter<number, string>({
      ...{ name: 'stopped', database, ...world },
      async apply(tx, keys) {
        await tx.query('insert into kept select unnest($1::int[]) on conflict do nothing', [keys]);
        return keys.map(() => ({ ok: 'kept' }));
      },
    });
    expect(await writer.submit(1)).toBe('kept');

    signalAll('SIGSTOP');
    const first = database.query('select 1').then(
      () => 'answered',
      (error) => error.name as string,
    );
    const refusal = async () => {
      const signal = AbortSignal.timeout(500);
      return database.query('select 1', [], signal).then(
        () => 'answered',
        (error) => error.name as string,
      );
    };
    await expect.poll(refusal, { timeout: 60_000 }).toBe('DatabaseSilent');
    // From now on nobody waits, neither who reads nor who writes, many at once or one after the other.
    const startMs = performance.now();
    for (let i = 0; i < 20; i++) expect(await refusal()).toBe('DatabaseSilent');
    const refused = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => writer.submit(100 + i)));
    // Half of what it would take if each of the twenty waited for a pulse.
    expect(performance.now() - startMs).toBeLessThan(10_000);
    for (const each of refused) {
      expect(each).toMatchObject({ reason: { name: 'DatabaseSilent', category: 'unavailable', fault: 'elsewhere' } });
    }

    signalAll('SIGCONT');
    await expect.poll(refusal, { timeout: 30_000 }).toBe('answered');
    expect(await writer.submit(2)).toBe('kept');
    expect((await database.query('select key from kept order by key')).rows).toEqual([{ key: 1 }, { key: 2 }]);
    // What was asked before the stop was waited for.
    expect(await first).toMatch(/answered|CommitOutcomeUnknown/);
    expect(lines.filter((line) => line.startsWith('the database'))).toEqual([
      'the database does not answer: what is asked of it is refused until it does',
      'the database answers again',
    ]);
  },
);

test('a statement that takes long is no reason to refuse others', async () => {
  const { url } = await createTestDatabase();
  // Long enough for a busy machine to answer who knocks, twice as long a silence to make it be knocked at.
  const pulseMs = 700;
  const database = createDatabase({ url, ...world, pulseMs, connectionsMax: 2 });
  onTestFinished(() => database.close());
  await database.query('select 1');
  const slow = database.query('select pg_sleep(3)');
  for (let i = 0; i < 2; i++) {
    await world.timers.sleep(2 * pulseMs);
    expect((await database.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  }
  await slow;
});

test('a network that swallows everything makes a silent server; one that refuses connections makes none', async () => {
  const { url } = await createTestDatabase();
  const proxy = await createFaultyProxy(url);
  const database = createDatabase({ url: proxy.url, ...world, pulseMs: 400 });
  onTestFinished(async () => {
    await database.close();
    await proxy.close();
  });
  const outcome = () =>
    database.query('select 1', [], AbortSignal.timeout(300)).then(
      () => 'answered',
      (error) => error.name as string,
    );
  await expect.poll(outcome).toBe('answered');
  proxy.blackHole = true;
  await expect.poll(outcome, { timeout: 30_000 }).toBe('DatabaseSilent');
  proxy.blackHole = false;
  await expect.poll(outcome, { timeout: 30_000 }).toBe('answered');
  proxy.down = true;
  proxy.cutAll();
  for (let i = 0; i < 20; i++) {
    expect(await outcome()).not.toBe('DatabaseSilent');
    await world.timers.sleep(100);
  }
});
