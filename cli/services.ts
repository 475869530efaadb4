import fastify from 'fastify';
import { type Component, createHost, type Host, type World } from '#kit/runtime';
import type { Provider, ServiceName } from './topology.ts';

/** What one process is given to run its services. Plain data but for `world`, so that a child gets it by message. */
export interface ServicesConfig {
  /** Name of this process, unique in the topology: `orders-2`. */
  readonly process: string;
  /** The services to run here; all others are reached at `addresses`. */
  readonly services: readonly ServiceName[];
  /** URL of each database that a service here owns. */
  readonly databases: Readonly<Partial<Record<ServiceName, string>>>;
  /** Origins (`http://127.0.0.1:4101`) of the instances of each service that runs in another process. */
  readonly addresses: Readonly<Partial<Record<ServiceName, readonly string[]>>>;
  /** Where the services of this process answer other processes; absent when there is only one process. */
  readonly internal?: { readonly host: string; readonly port: number };
  /** Where the gateway listens, if it runs here. */
  readonly public: { readonly host: string; readonly port: number };
  readonly provider: Provider;
  /** For what is kept in files, such as signing keys. */
  readonly dataDir: string;
}

export interface ServicesOptions extends ServicesConfig {
  readonly world: World;
}

/** What a process tells when its services are up. */
export interface RunningServices {
  readonly host: Host;
  /** Printed at the end of a start, and under `--json`: `{ gateway: 'http://…' }`. */
  readonly urls: Readonly<Record<string, string>>;
  /** A command for the reader to paste: what to do first. */
  readonly demo?: string;
}

/** Starts the services of one process and resolves when they are ready. `host.stop()` drains and stops them. */
export async function startServices(options: ServicesOptions): Promise<RunningServices> {
  const { world, services } = options;
  const host = createHost({ log: world.log, timers: world.timers });
  const urls: Record<string, string> = {};
  let demo: string | undefined;
  if (services.includes('gateway')) {
    const { host: address, port } = options.public;
    host.add(createGateway(address, port, host));
    const shown = address === '0.0.0.0' || address === '::' ? 'localhost' : address;
    urls['gateway'] = `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
    demo = `curl ${urls['gateway']}/readyz`;
  }
  await host.start();
  return { host, urls, ...(demo === undefined ? {} : { demo }) };
}

/** The public door: health, for now. */
function createGateway(address: string, port: number, host: Host): Component {
  const app = fastify({ logger: false, forceCloseConnections: 'idle' });
  app.get('/livez', async () => ({ status: 'alive' }));
  app.get('/readyz', async (_request, reply) => {
    const reasons = await host.unready();
    const isReady = Object.keys(reasons).length === 0;
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'unready', reasons });
  });
  return {
    name: 'gateway',
    async start() {
      await app.listen({ host: address, port });
    },
    drain: () => app.close(),
  };
}
