import { users } from '#contracts/users';
import { type CallContext, type Caller, createClient, createLocalTransport, headerNames } from '#kit/contract';
import { type Clock, type Logger, systemTimers, systemWorld, type World } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createPasswords, createUsers, type UserEvent, type UsersOptions, usersMigrations } from './index.ts';

export interface LogLine {
  readonly message: string;
  readonly fields: unknown;
}

/** The real world with a clock that can be moved on, sleeps that are counted instead of slept, and a log to look into. */
export function testWorld() {
  const lines: LogLine[] = [];
  const sleeps: number[] = [];
  let offsetMs = 0;
  const write = (message: string, fields?: unknown) => {
    lines.push({ message, fields });
  };
  const log: Logger = { debug: write, info: write, warn: write, error: write, with: () => log };
  const real = systemWorld(log);
  const clock: Clock = {
    now: () => real.clock.now() + offsetMs,
    monotonicMs: () => real.clock.monotonicMs() + offsetMs,
  };
  const timers = { ...systemTimers, sleep: async (delayMs: number) => void sleeps.push(delayMs) };
  const world: World = { ...real, clock, timers };
  return { world, lines, sleeps, advance: (ms: number) => (offsetMs += ms) };
}

export const testSecret = 'a secret that only tests know';

/** A users service on a database of its own; `another()` is a second instance on the same one. */
export async function createUsersForTest(options: Partial<UsersOptions> = {}) {
  const { url } = await createTestDatabase();
  await migrate(url, usersMigrations);
  const test = testWorld();
  const { world } = test;
  const events: UserEvent[] = [];
  const database = createDatabase({ url, ...world });
  const passwords = createPasswords(world);
  const another = () => {
    const service = createUsers({
      world,
      database,
      publish: async (_tx, published) => void events.push(...published),
      keyEncryptionSecret: testSecret,
      passwords,
      server: { checkReplies: true },
      ...options,
    });
    const transport = createLocalTransport(systemTimers);
    transport.attach(service.server);
    return { service, transport, client: createClient(users, { transport, clock: world.clock }) };
  };
  const as = (caller: Caller, headers: Record<string, string> = {}): CallContext => ({
    caller,
    correlationId: 'test',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: world.clock.monotonicMs() + 60_000,
    signal: new AbortController().signal,
    headers,
  });
  const first = another();
  await first.service.component.start?.();
  return {
    ...test,
    ...first,
    another,
    as,
    events,
    passwords,
    database,
    close: () => closeAll(first.service.component, database),
  };
}

async function closeAll(
  component: { drain?(): Promise<void>; stop?(): Promise<void> },
  database: { close(): Promise<void> },
): Promise<void> {
  await component.drain?.();
  await component.stop?.();
  await database.close();
}

export const sourceHeader = headerNames.source;
export const sessionHeader = headerNames.session;
