import type { Server } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import { type AddressInfo, isIPv6 } from 'node:net';
import { Pool } from 'undici';
import { createLimiter, type Rate } from '#kit/limits';
import type { Component, World } from '#kit/runtime';
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
  /** Certificate and key in PEM. Without them it speaks HTTP/1.1 in the clear, for something in front that has them. */
  readonly tls?: TlsKeys;
  readonly cache?: Omit<HttpCacheOptions, 'clock'>;
  readonly connections?: ConnectionsOptions;
  /** Requests of one address. Default 2,000 a second: floods; who may do how much is the gateway's. */
  readonly perAddress?: Rate;
  readonly timeouts?: FrontOptions['timeouts'];
  /** Connections to the origin. Default 64. */
  readonly originConnectionsMax?: number;
  /** The origin has so long to begin its reply. Default 30,000 ms; nothing is said to it twice. */
  readonly originTimeoutMs?: number;
}

export interface Cdn {
  readonly component: Component;
  /** Origin (`https://127.0.0.1:8443`) once started. */
  readonly address: string | undefined;
  /** Forgets what was made of any of these; resolves with how many replies that were. */
  purge(tags: readonly string[]): number;
  purgeAll(): void;
  readonly counts: Readonly<Record<CdnOutcome, number>>;
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
  const pool = new Pool(origin, {
    connections: options.originConnectionsMax ?? 64,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: 2_000 },
  });
  const proxy = createReverseProxy({ world, pool, cache, counts, isTls: tls !== undefined });
  const front: Server | Http2SecureServer = createFront({
    world,
    ...(tls ? { tls } : {}),
    ...(options.timeouts ? { timeouts: options.timeouts } : {}),
    connections: createConnections(options.connections),
    limited: (address) => !limiter.check('address', address).allowed,
    onRefused: () => {
      counts.refused++;
    },
    handle: proxy,
  });
  let address: string | undefined;

  return {
    get address() {
      return address;
    },
    counts,
    purge: (tags) => cache.purge(tags),
    purgeAll: () => cache.purgeAll(),
    component: {
      name: 'cdn',
      async start() {
        await new Promise<void>((resolve, reject) => {
          front.once('error', reject).listen({ host, port }, () => resolve());
        });
        const bound = front.address() as AddressInfo;
        address = `http${tls ? 's' : ''}://${isIPv6(bound.address) ? `[${bound.address}]` : bound.address}:${bound.port}`;
      },
      async drain() {
        if (!front.listening) return;
        await new Promise<void>((resolve) => {
          front.close(() => resolve());
          if ('closeIdleConnections' in front) front.closeIdleConnections();
        });
      },
      async stop() {
        if ('closeAllConnections' in front) front.closeAllConnections();
        await pool.destroy();
      },
    },
  };
}
