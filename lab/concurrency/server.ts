import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { World } from '#kit/runtime';
import { startEmbeddedPostgres, volatileSettings } from '#kit/store/embedded';

export interface LabServer {
  /** An empty database, as the superuser. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A server of its own in a folder that is removed at the end; or a new database at `adminUrl`. */
export async function startLabServer(world: World, adminUrl?: string): Promise<LabServer> {
  const own = adminUrl === undefined ? await startOwn(world) : { url: adminUrl, stop: async () => {} };
  const name = `lab_${world.ids.next('db').slice(3).toLowerCase()}`;
  await ask(own.url, `create database ${name}`);
  const url = new URL(own.url);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async stop() {
      await ask(own.url, `drop database if exists ${name} with (force)`);
      await own.stop();
    },
  };
}

async function startOwn(world: World): Promise<LabServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-concurrency-'));
  // The server may run as another user than this process.
  chmodSync(dataDir, 0o711);
  const server = await startEmbeddedPostgres({ dataDir, world, settings: volatileSettings });
  return {
    url: server.adminUrl,
    async stop() {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function ask(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
