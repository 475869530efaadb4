import { connect } from 'node:net';
import { request } from 'undici';
import {
  type Balancing,
  type CallOutcome,
  createEndpoint,
  type Endpoint,
  type Instance,
  isEjected,
  noteCall,
  noteProbe,
  pick,
} from '#kit/mesh';
import type { Cancel, Component, World } from '#kit/runtime';
import type { Telemetry } from '#kit/telemetry';

/** How an instance is asked whether it is well: a page that answers 2xx, or a port that takes connections. */
export type Probe = { readonly kind: 'http'; readonly path: string } | { readonly kind: 'tcp' };

export interface PoolOptions {
  readonly world: World;
  /** For logs. */
  readonly name: string;
  /** Asked before each choice: a list, or what discovery knows (`() => directory.instances…`). */
  readonly members: () => readonly Member[];
  /** Default: least loaded of two. */
  readonly balancing?: Balancing;
  /** Members of the own zone are preferred. Default `a`. */
  readonly zone?: string;
  /** Default `GET /health`. */
  readonly probe?: Probe;
  /** Default 10,000 ms; three that fail in a row take a member out, one that is answered brings it back. */
  readonly probeEveryMs?: number;
  readonly probeTimeoutMs?: number;
  /** How long a new member takes to get its full share. Default 10,000 ms; 0: at once. */
  readonly slowStartMs?: number;
  /** Shows how each member is. Default: nowhere. */
  readonly telemetry?: Telemetry;
}

export type Member = Pick<Instance, 'process' | 'host' | 'port'> & Partial<Pick<Instance, 'zone' | 'startId'>>;

/** Interchangeable instances. Choice and health are kit/mesh's, so a balancer and a caller in the mesh judge alike. */
export interface BalancerPool {
  readonly component: Component;
  /** `key` is what stays with one member where `balancing` hashes. Undefined when there is no member. */
  choose(options?: { readonly key?: string | undefined; readonly tried?: ReadonlySet<string> }): Endpoint | undefined;
  /** A connection or request begins at the member; what is returned is told how it went, once. */
  begin(endpoint: Endpoint): (outcome: CallOutcome) => void;
  readonly endpoints: readonly Endpoint[];
  /** Somebody there is well, as far as is known. */
  readonly isServing: boolean;
}

const untried: ReadonlySet<string> = new Set();

export function createPool(options: PoolOptions): BalancerPool {
  const { world, name, members, zone = 'a', probe = { kind: 'http', path: '/health' } } = options;
  const { clock, timers, random, log } = world;
  const { balancing = { kind: 'least-loaded' }, slowStartMs = 10_000 } = options;
  const { probeEveryMs = 10_000, probeTimeoutMs = 2_000 } = options;
  const known = new Map<string, Endpoint>();
  let endpoints: readonly Endpoint[] = [];
  let seen: readonly Member[] | undefined;
  let turn = 0;
  let cancel: Cancel = () => {};

  function refresh(): void {
    const now = members();
    if (now === seen) return;
    const isFirst = seen === undefined;
    seen = now;
    const names = new Set(now.map(keyOf));
    for (const key of known.keys()) if (!names.has(key)) known.delete(key);
    for (const member of now) {
      // The first ones have long been warm.
      const sinceMs = isFirst ? Number.NEGATIVE_INFINITY : clock.monotonicMs();
      if (!known.has(keyOf(member))) known.set(keyOf(member), createEndpoint(instanceOf(member, name), sinceMs));
    }
    endpoints = [...known.values()];
  }

  if (options.telemetry) observePool(options.telemetry);

  function observePool(telemetry: Telemetry): void {
    const read = (value: (endpoint: Endpoint) => number) => () => {
      refresh();
      return endpoints.map((each) => ({ labels: { pool: name, member: each.instance.process }, value: value(each) }));
    };
    const labels = ['pool', 'member'] as const;
    telemetry.gauge(
      { name: 'holdfast_balancer_member_in', help: '1: it gets requests; 0: out by its health or ejected.', labels },
      read((endpoint) => (endpoint.isOut || isEjected(endpoint, clock.monotonicMs()) ? 0 : 1)),
    );
    telemetry.gauge(
      { name: 'holdfast_balancer_member_active_requests', help: 'Requests under way at a member.', labels },
      read(({ active }) => active),
    );
  }

  async function probeAll(): Promise<void> {
    refresh();
    await Promise.all(
      endpoints.map(async (endpoint) => {
        const isWell = await answers(endpoint.instance, probe, probeTimeoutMs);
        if (!noteProbe(endpoint, isWell)) return;
        const { process } = endpoint.instance;
        log.warn(isWell ? 'a member is well again' : 'a member does not answer its health check', {
          pool: name,
          process,
        });
      }),
    );
  }

  return {
    get endpoints() {
      refresh();
      return endpoints;
    },
    get isServing() {
      refresh();
      const nowMs = clock.monotonicMs();
      return endpoints.some((endpoint) => !endpoint.isOut && !isEjected(endpoint, nowMs));
    },
    choose({ key, tried = untried } = {}) {
      refresh();
      turn++;
      return pick(endpoints, { balancing, nowMs: clock.monotonicMs(), random, zone, tried, key, turn, slowStartMs });
    },
    begin(endpoint) {
      endpoint.active++;
      let isOver = false;
      return (outcome) => {
        if (isOver) return;
        isOver = true;
        endpoint.active--;
        if (noteCall(endpoint, outcome, clock.monotonicMs())) {
          log.warn('a member is left alone for a while', { pool: name, process: endpoint.instance.process });
        }
      };
    },
    component: {
      name: `pool ${name}`,
      async start() {
        cancel = timers.every(probeEveryMs, probeAll);
      },
      async stop() {
        cancel();
      },
    },
  };
}

const keyOf = ({ process, startId, host, port }: Member): string => `${process} ${startId ?? ''} ${host}:${port}`;

function instanceOf({ process, startId = '', host, port, zone = 'a' }: Member, service: string): Instance {
  return { process, startId, services: [service], host, port, operatorPort: port, zone };
}

async function answers({ host, port }: Instance, probe: Probe, timeoutMs: number): Promise<boolean> {
  if (probe.kind === 'tcp') return accepts(host, port, timeoutMs);
  try {
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}${probe.path}`;
    const { statusCode, body } = await request(url, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
    await body.dump();
    return statusCode >= 200 && statusCode < 300;
  } catch {
    return false;
  }
}

function accepts(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const end = (isWell: boolean) => {
      socket.destroy();
      resolve(isWell);
    };
    socket
      .once('connect', () => end(true))
      .once('timeout', () => end(false))
      .once('error', () => end(false));
  });
}
