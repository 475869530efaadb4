import { type HttpRoute, headerNames, type Responded } from '#kit/contract';
import { createLoop, type Turn } from '#kit/messaging';
import type { Component, Database, Request, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { type AuditBatch, type AuditEntry, type AuditFilter, insertBatch, listEntries, sweepEntries } from './store.ts';

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
  /** The same route; what staff change by it is written down before they are answered. */
  before(route: HttpRoute): HttpRoute;
  responded(responded: Responded): void;
  list(filter: AuditFilter): ReturnType<typeof listEntries>;
}

/** An answer waits no longer for its line when the database is away; the line then waits in memory, as others do. */
const answerWaitMsMax = 2_000;
const batchMax = 1_000;
const flushPeriodMs = 200;
const sweepPeriodMs = 3_600_000;
const sweepMax = 5_000;

/**
 * Writes down who did what, many at a time, each once: what staff and admins change before they are answered, so that nothing
 * they were told of is missing; everything else after the reply, and 200 ms of that are lost when a process dies. What belongs in it (`isOfInterest`): whatever staff and admins do, reading included; what signed-in customers change; each attempt to
 * get or use a credential. Guests who order are nobody in particular, and their order is its own record.
 */
export function createAudit(options: AuditOptions): Audit {
  const { world, database, keepDays = 400, waitingMax = 20_000 } = options;
  const { clock, timers, random, log } = world;
  const writer = world.ids.next('aud');
  let waiting: Waiting[] = [];
  /** As it was sent; until it is known to be there it stays as it is, under its number. */
  let batch: AuditBatch = { writer, number: 0, entries: [] };
  const noted = new WeakSet<Request>();
  let lost = 0;

  async function write(): Promise<Turn> {
    if (waiting.length === 0) return 'idle';
    if (batch.entries.length === 0) {
      const entries = waiting.slice(0, batchMax).map(({ entry }) => entry);
      batch = { writer, number: batch.number + 1, entries };
    }
    const written = batch.entries.length;
    await insertBatch(database, batch);
    for (const { onWritten } of waiting.slice(0, written)) onWritten?.();
    waiting = waiting.slice(written);
    batch = { ...batch, entries: [] };
    if (lost > 0) log.error('entries of the audit log were lost: its database was too slow', { entries: lost });
    lost = 0;
    return waiting.length > 0 ? 'again' : { worked: written };
  }

  const shared = { clock, timers, random, log };
  const loop = createLoop({ ...shared, name: 'audit writer', turn: write, pollMs: flushPeriodMs });
  const sweeper = createLoop({
    ...shared,
    name: 'audit sweeper',
    pollMs: sweepPeriodMs,
    turn: async () => ((await sweepEntries(database, keepDays, sweepMax)) > 0 ? 'again' : 'idle'),
  });

  /** False: there are too many. */
  function add(one: Waiting): boolean {
    const fits = waiting.length < waitingMax;
    if (fits) waiting.push(one);
    else lost++;
    return fits;
  }

  /** `met`: what is known of a request that was refused before it was anybody's. */
  function entryOf(
    { service, name }: HttpRoute,
    request: Request | undefined,
    { status, remoteAddress = '', correlationId = '' }: Met,
  ): AuditEntry {
    const { headers = {}, params = {} } = request ?? {};
    const [actorKind = 'anonymous', actorId = 'anonymous'] = (headers[headerNames.caller] ?? '').split(':');
    return {
      ...{ at: new Date(clock.now()), actorKind: actorKind || 'unknown', actorId },
      ...{ sessionId: headers[headerNames.session] ?? null, operation: `${service}.${name}`, status },
      target: keepable(params),
      source: headers[headerNames.source] ?? remoteAddress,
      correlationId: headers[headerNames.correlationId] ?? correlationId,
    };
  }

  /** Resolves when it is there, or has waited for long enough. */
  function written(entry: AuditEntry): Promise<void> {
    return new Promise((resolve) => {
      const cancel = timers.after(answerWaitMsMax, resolve);
      const onWritten = () => {
        cancel();
        resolve();
      };
      if (add({ entry, onWritten })) loop.wake();
      else onWritten();
    });
  }

  return {
    before(route) {
      if (route.operation.method === 'GET') return route;
      return {
        ...route,
        server: {
          async handle(request, signal) {
            const reply = await route.server.handle(request, signal);
            if (!isByStaff(request.headers[headerNames.caller])) return reply;
            noted.add(request);
            await written(entryOf(route, request, { status: reply.status }));
            return reply;
          },
        },
      };
    },
    responded({ arrival, request, status }) {
      const { route } = arrival;
      if (request && noted.has(request)) return;
      if (!route || !isOfInterest(route, request?.headers[headerNames.caller], status)) return;
      const { remoteAddress, correlationId = '' } = arrival;
      add({ entry: entryOf(route, request, { status, remoteAddress, correlationId }) });
    },
    list: (filter) => listEntries(database, filter),
    component: {
      name: 'audit log',
      async start() {
        loop.start();
        sweeper.start();
      },
      async stop() {
        await Promise.all([loop.stop(), sweeper.stop()]);
        while ((await write()) === 'again');
      },
    },
  };
}

/** Longer than any id or name. */
const paramCharsMax = 300;

/**
 * Parameters of a path as a database can keep them. Whoever is refused may have sent anything, and one line that can't be
 * written would hold up all that come after it, and the answers of staff with them.
 */
function keepable(params: Readonly<Record<string, string>>): Record<string, string> {
  const texts = Object.entries(params).map(([name, text]) => {
    const kept = text.slice(0, paramCharsMax).toWellFormed().replaceAll('\0', '\ufffd');
    return [name, kept] as const;
  });
  return Object.fromEntries(texts);
}

interface Waiting {
  readonly entry: AuditEntry;
  /** Somebody waits for it. */
  readonly onWritten?: () => void;
}

interface Met {
  readonly status: number;
  readonly remoteAddress?: string;
  readonly correlationId?: string;
}

const isByStaff = (caller = ''): boolean => /^(staff|admin):/.test(caller);

const ofOneself = /^\/users\/me(\/|$)/;
const aboutMachines = new Set('system settings objectives processes traces trace logs topics faults'.split(' '));
/** Of every reader of events: how far behind it is, and which events it set aside, without what is in them. */
const aboutReaders = new Set(['showLag', 'listDeadLetters']);

/** `caller` is undefined when the request was refused before anybody was known. */
export function isOfInterest(route: HttpRoute, caller: string | undefined, status: number): boolean {
  const { operation, service, name } = route;
  if (service === 'gateway' && operation.access.includes('anonymous')) return false;
  const changes = operation.method !== 'GET';
  // What machines do is nobody's data, and a console that is open asks for it every few seconds.
  const isAboutMachines = service === 'operators' ? aboutMachines.has(name) : aboutReaders.has(name);
  if (isAboutMachines && status < 400) return changes;
  if (status === 401 || status === 403) return true;
  if (operation.identity === 'ignored') return changes;
  if (caller === undefined || caller.startsWith('anonymous')) return false;
  // Who looks at oneself looks at nobody: a console asks for it with each page.
  if (!changes && ofOneself.test(operation.path)) return false;
  return changes || !caller.startsWith('customer');
}
