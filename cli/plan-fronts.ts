import { mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { HostNames } from '#kit/mesh';
import { findFreePort } from '#kit/store/embedded';
import type { Address } from './doors.ts';
import type { EdgeConfig } from './front-edge.ts';
import type { GatewaySettings } from './gateway-settings.ts';
import { readKeyPair } from './key-pair.ts';
import type { ProcessesOptions } from './processes.ts';
import type { DoorName, ServicesConfig } from './services.ts';
import { openEdgeAuthority } from './signing.ts';
import type { ServiceName } from './topology.ts';

/** What stands before the gateways of a topology, and what that means for the processes. */
export interface Fronts {
  /** Where clients come in; undefined where the gateway itself is the door. */
  readonly entrance: Address | undefined;
  readonly balancer: Address | undefined;
  readonly edge: Omit<EdgeConfig, 'operators'> | undefined;
  /** What gateways need to know of it. */
  readonly gateway: GatewaySettings;
  /** Sockets that the command opens for a process and keeps open while that is replaced. */
  doorsOf(runs: readonly ServiceName[]): NonNullable<ServicesConfig['doors']>;
}

const localhost = '127.0.0.1';

export async function planFronts(options: ProcessesOptions): Promise<Fronts> {
  const { topology, internalDoor } = options;
  const runs = (service: ServiceName) => topology.processes.some((process) => process.runs.includes(service));
  const [hasBalancer, hasEdge] = [runs('balancer'), runs('edge')];
  const inner = { host: localhost, port: await findFreePort() };
  const balancer = hasBalancer ? (hasEdge ? inner : options.public) : undefined;
  const edge = hasEdge ? edgeOf(options, inner) : undefined;
  const proxies = (hasBalancer ? 1 : 0) + (hasEdge ? 1 : 0);
  return {
    ...{ balancer, edge, entrance: hasBalancer ? options.public : undefined },
    // Those that the topology names stand before ours.
    gateway: proxies === 0 ? {} : { trustedProxies: proxies + (topology.gateway.trustedProxies ?? 0) },
    doorsOf(services) {
      const doors: Partial<Record<DoorName, Address>> = {};
      if (topology.isOneProcess) return doors;
      if (services.includes('gateway') && internalDoor) doors.internal = internalDoor;
      // Behind a balancer each gateway has a port of its own.
      if (services.includes('gateway') && !hasBalancer) doors.public = options.public;
      if (services.includes('balancer') && balancer) doors.balancer = balancer;
      if (services.includes('edge') && edge) Object.assign(doors, { http: edge.http, https: edge.https });
      return doors;
    },
  };
}

function edgeOf(options: ProcessesOptions, inner: Address): Omit<EdgeConfig, 'operators'> {
  const { topology, dataDir, world, internalDoor, https = { host: options.public.host, port: 0 } } = options;
  const names = namesFor(options.public.host);
  const { tls } = topology.edge;
  // Also looked at here: what is wrong is said before its process is started.
  if (tls) readKeyPair(tls);
  else publishTrust(dataDir, openEdgeAuthority(dataDir, names, world).trust);
  return {
    ...{ http: options.public, https, names, origin: `http://${inner.host}:${inner.port}` },
    ...(internalDoor ? { purges: `http://${internalDoor.host}:${internalDoor.port}/purges` } : {}),
    ...(tls ? { tls } : {}),
  };
}

function namesFor(host: string): HostNames {
  const isOther = !['127.0.0.1', '::1', '0.0.0.0', '::', 'localhost'].includes(host);
  const other = isOther ? [host] : [];
  return {
    dns: ['localhost', ...other.filter((name) => isIP(name) === 0)],
    ip: ['127.0.0.1', '::1', ...other.filter((name) => isIP(name) !== 0)],
  };
}

/** The certificate that a browser or curl has to trust: public, unlike the key that it belongs to. */
export const trustFile = (dataDir: string): string => join(dataDir, 'edge-authority.crt');

function publishTrust(dataDir: string, certificate: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  writeFileSync(trustFile(dataDir), certificate, { mode: 0o644 });
}
