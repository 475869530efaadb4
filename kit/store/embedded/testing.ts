import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import { inject } from 'vitest';
import { testDatabases } from './testing.databases.ts';

/**
 * Real PostgreSQL for integration tests: one server for the whole vitest run, started when the first test asks, and
 * a database of its own for whoever wants one. `HOLDFAST_TEST_POSTGRES_URL` names a server to use instead;
 * `HOLDFAST_TEST_POSTGRES_FSYNC=on` makes the own one durable.
 *
 *     import { createTestDatabase } from '#kit/store/embedded/testing';
 *     const database = await createTestDatabase();
 *     const client = new pg.Client(database.url);
 */
export interface TestPostgres {
  /** URL of a superuser. */
  readonly adminUrl: string;
}

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Ends its sessions and removes it. Called by itself when the test file ends. */
  drop(): Promise<void>;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the socket at which `testing.setup.ts` answers with the server's URL. */
    testPostgresSocket: string;
  }
}

let server: Promise<TestPostgres> | undefined;
let count = 0;

export function testPostgres(): Promise<TestPostgres> {
  server ??= askForServer(inject('testPostgresSocket'));
  return server;
}

/** A fresh, empty database, owned by the superuser. Takes about 30 ms. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { adminUrl } = await testPostgres();
  count += 1;
  // Vitest runs files in processes of their own, and several runs may share one given server.
  const name = `test_${process.pid}_${Date.now().toString(36)}_${count}`;
  await asAdmin(adminUrl, `create database ${name}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const database: TestDatabase = {
    name,
    url: url.href,
    async drop() {
      if (!testDatabases.delete(name)) return;
      await asAdmin(adminUrl, `drop database if exists ${name} with (force)`);
    },
  };
  testDatabases.set(name, database);
  return database;
}

async function askForServer(socketPath: string): Promise<TestPostgres> {
  const answer = JSON.parse(await text(connect(socketPath))) as TestPostgres & { error?: string };
  if (answer.error !== undefined) throw new Error(`The test server did not start: ${answer.error}`);
  return answer;
}

async function asAdmin(adminUrl: string, statement: string): Promise<void> {
  const client = new pg.Client(adminUrl);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
