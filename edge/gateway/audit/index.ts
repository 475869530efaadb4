import { type HttpRoute, headerNames, type Responded } from '#kit/contract';
import { createLoop, type Turn } from '#kit/messaging';
import type { Component, Database, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { type AuditEntry, type AuditFilter, insertEntries, listEntries, sweepEntries } from './store.ts';

export const auditMigrations: Migrations = { directory: `${import.meta.dirname}/schema`, table: 'schema_audit' };

export interface AuditOptions {
  readonly world: World;
  /** The gateway's own; several gateways share it. */
  readonly database: Database;
  /** Entries older than this are removed. Default 400 days: a year and the time to look at it. At least 90. */
  readonly keepDays?: number;
  /** Entries that wait to be written; more are lost and counted in the log. Default 20,000. */
  readonly waitingMax?: number;
}

export interface Audit {
  readonly component: Component;
  responded(responded: Responded): void;
  list(filter: AuditFilter): ReturnType<typeof listEntries>;
}

const batchMax = 1_000;
const flushPeriodMs = 200;
const sweepPeriodMs = 3_600_000;
const sweepMax = 5_000;

/**
 * Writes down who did what, after the reply and many at a time: 200 ms of entries are lost when a process dies. What belongs
 * in it (`isOfInterest`): whatever staff and admins do, reading included; what signed-in customers change; each attempt to
 * get or use a credential. Guests who order are nobody in particular, and their order is its own record.
 */
export function createAudit(options: AuditOptions): Audit {
  const { world, database, keepDays = 400, waitingMax = 20_000 } = options;
  const { clock, timers, random, log } = world;
  let waiting: AuditEntry[] = [];
  let lost = 0;

  async function write(): Promise<Turn> {
    if (waiting.length === 0) return 'idle';
    const batch = waiting.slice(0, batchMax);
    await insertEntries(database, batch);
    waiting = waiting.slice(batch.length);
    if (lost > 0) log.error('entries of the audit log were lost: its database was too slow', { entries: lost });
    lost = 0;
    return waiting.length > 0 ? 'again' : 'worked';
  }

  const shared = { clock, timers, random, log };
  const writer = createLoop({ ...shared, name: 'audit writer', turn: write, pollMs: flushPeriodMs });
  const sweeper = createLoop({
    ...shared,
    name: 'audit sweeper',
    pollMs: sweepPeriodMs,
    turn: async () => ((await sweepEntries(database, keepDays, sweepMax)) > 0 ? 'again' : 'idle'),
  });

  return {
    responded({ arrival, request, status }) {
      const { route } = arrival;
      if (!route || !isOfInterest(route, request?.headers[headerNames.caller], status)) return;
      if (waiting.length >= waitingMax) {
        lost++;
        return;
      }
      const [actorKind = 'anonymous', actorId = 'anonymous'] = (request?.headers[headerNames.caller] ?? '').split(':');
      waiting.push({
        at: new Date(clock.now()),
        actorKind: actorKind || 'unknown',
        actorId,
        sessionId: request?.headers[headerNames.session] ?? null,
        operation: `${route.service}.${route.name}`,
        target: request?.params ?? {},
        status,
        source: request?.headers[headerNames.source] ?? arrival.remoteAddress,
        correlationId: arrival.correlationId ?? '',
      });
    },
    list: (filter) => listEntries(database, filter),
    component: {
      name: 'audit log',
      async start() {
        writer.start();
        sweeper.start();
      },
      async stop() {
        await Promise.all([writer.stop(), sweeper.stop()]);
        while ((await write()) === 'again');
      },
    },
  };
}

const ofOneself = /^\/users\/me(\/|$)/;
const aboutMachines = new Set(['system', 'settings', 'processes', 'traces', 'trace', 'logs', 'topics', 'faults']);

/** `caller` is undefined when the request was refused before anybody was known. */
export function isOfInterest(route: HttpRoute, caller: string | undefined, status: number): boolean {
  const { operation, service, name } = route;
  if (service === 'gateway' && operation.access.includes('anonymous')) return false;
  const changes = operation.method !== 'GET';
  // What machines do is nobody's data, and a console that is open asks for it every few seconds.
  if (service === 'operators' && aboutMachines.has(name) && status < 400) return changes;
  if (status === 401 || status === 403) return true;
  if (operation.identity === 'ignored') return changes;
  if (caller === undefined || caller.startsWith('anonymous')) return false;
  // Who looks at oneself looks at nobody: a console asks for it with each page.
  if (!changes && ofOneself.test(operation.path)) return false;
  return changes || !caller.startsWith('customer');
}
