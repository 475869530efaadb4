import { type AddressInfo, isIPv6 } from 'node:net';
import { Pool } from 'undici';
import { createLimiter, type Rate } from '#kit/limits';
import type { Component, World } from '#kit/runtime';
import type { Telemetry } from '#kit/telemetry';
import { createHopTelemetry, noHop } from '../http/observe.ts';
import { type ConnectionsOptions, createConnections } from './connections.ts';
import { createHttpCache, type HttpCacheOptions } from './http-cache.ts';
import { createReverseProxy } from './proxy.ts';
import { createFront, type FrontOptions, type TlsKeys } from './server.ts';

export { followPurges } from './follow-purges.ts';

export interface CdnOptions {
  readonly world: World;
  /** Where requests go that are not answered here: `http://127.0.0.1:4080`, usually the balancer. */
  readonly origin: string;
  readonly host?: string;
  /** 0 takes any free port. Default 0. */
  readonly port?: number;
  /** A listening socket that was handed over: then that is where it listens, whatever host and port say. */
  readonly handle?: object;
  /** Certificate and key in PEM. Without them it speaks HTTP/1.1 in the clear, for something in front that has them. */
  readonly tls?: TlsKeys;
  /** Besides TLS, HTTP/1.1 in the clear there. */
  readonly plain?: { readonly host: string; readonly port: number; readonly handle?: object };
  readonly cache?: Omit<HttpCacheOptions, 'clock'>;
  readonly connections?: ConnectionsOptions;
  /** Requests of one address. Default 2,000 a second: floods; who may do how much is the gateway's. */
  readonly perAddress?: Rate;
  readonly timeouts?: FrontOptions['timeouts'];
  /** Connections to the origin. Default 64. */
  readonly originConnectionsMax?: number;
  /** The origin has so long to begin its reply. Default 30,000 ms; nothing is said to it twice. */
  readonly originTimeoutMs?: number;
  /** Counts what it serves, from where, and how full it is, and records its part of traces. Default: nothing. */
  readonly telemetry?: Telemetry;
}

export interface Cdn {
  readonly component: Component;
  /** Origin (`https://127.0.0.1:8443`) once started. */
  readonly address: string | undefined;
  /** Forgets what was made of any of these; resolves with how many replies that were. */
  purge(tags: readonly string[]): number;
  purgeAll(): void;
  /** New keys for new connections. */
  renewTls(tls: TlsKeys): void;
  /** From now on each answer asks its client to connect anew: another process answers at the same place. */
  leave(): void;
  readonly counts: Readonly<Record<CdnOutcome, number>>;
  /** Requests that are being answered. */
  readonly active: number;
}

export type CdnOutcome = 'hit' | 'stale' | 'revalidated' | 'miss' | 'passed' | 'refused' | 'failed';

/** What browsers meet: TLS, HTTP/2, a shared cache by RFC 9111, and what keeps floods and slow clients from costing much. */
export function createCdn(options: CdnOptions): Cdn {
  const { world, origin, host = '127.0.0.1', port = 0, tls } = options;
  const counts: Record<CdnOutcome, number> = {
    ...{ hit: 0, stale: 0, revalidated: 0, miss: 0, passed: 0, refused: 0, failed: 0 },
  };
  const cache = createHttpCache({ clock: world.clock, ...options.cache });
  const limiter = createLimiter({ ...world, policies: { address: options.perAddress ?? { quota: 2_000 } } });
  const timeoutMs = options.originTimeoutMs ?? 30_000;
  const stallMs = options.timeouts?.idleMs ?? 30_000;
  const pool = new Pool(origin, {
    connections: options.originConnectionsMax ?? 64,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: 2_000 },
  });
  const connections = createConnections(options.connections);
  const fronts: Front[] = [];
  const active = () => fronts.reduce((sum, front) => sum + front.active(), 0);
  const hop = options.telemetry ? observeCdn(options.telemetry) : noHop;

  function observeCdn(telemetry: Telemetry) {
    telemetry.gauge(
      { name: 'holdfast_edge_connections', help: 'Open connections of clients.' },
      () => connections.count,
    );
    telemetry.gauge({ name: 'holdfast_edge_cache_bytes', help: 'What is kept, with its keys.' }, () => cache.sizeBytes);
    telemetry.tally(
      { name: 'holdfast_edge_replies_total', help: 'Replies, by where they came from.', labels: ['outcome'] },
      () => Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
    );
    return createHopTelemetry({ clock: world.clock, telemetry, service: 'edge', callee: 'balancer', active });
  }

  const open = (at: Listening, keys: TlsKeys | undefined) => {
    const front = createFront({
      world,
      ...(keys ? { tls: keys } : {}),
      ...(options.timeouts ? { timeouts: options.timeouts } : {}),
      connections,
      limited: (address) => !limiter.check('address', address).allowed,
      onRefused: () => {
        counts.refused++;
      },
      hop,
      handle: createReverseProxy({
        world,
        pool,
        cache,
        counts,
        onCalled: hop.called,
        isTls: keys !== undefined,
        stallMs,
      }),
    });
    fronts.push({ ...front, at });
  };
  open({ host, port, ...(options.handle ? { handle: options.handle } : {}) }, tls);
  if (options.plain) open(options.plain, undefined);
  let address: string | undefined;

  return {
    get address() {
      return address;
    },
    counts,
    get active() {
      return active();
    },
    purge: (tags) => cache.purge(tags),
    purgeAll: () => cache.purgeAll(),
    renewTls: (keys) => fronts[0]?.renew(keys),
    leave() {
      for (const front of fronts) front.leave();
    },
    component: {
      name: 'cdn',
      async start() {
        for (const { server, at } of fronts) await listen(server, at);
        const bound = fronts[0]?.server.address() as AddressInfo;
        address = `http${tls ? 's' : ''}://${isIPv6(bound.address) ? `[${bound.address}]` : bound.address}:${bound.port}`;
      },
      async drain() {
        await Promise.all(fronts.map((front) => front.close()));
      },
      async stop() {
        for (const front of fronts) front.cut();
        await pool.destroy();
      },
    },
  };
}

interface Listening {
  readonly host: string;
  readonly port: number;
  readonly handle?: object;
}
type Front = ReturnType<typeof createFront> & { readonly at: Listening };

function listen(server: Front['server'], at: Listening): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(at, () => resolve());
  });
}
