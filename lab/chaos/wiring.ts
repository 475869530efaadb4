import { composedServices, publicContracts } from '../../cli/compose.ts';
import type { EdgeConfig } from '../../cli/front-edge.ts';
import type { ServicesConfig } from '../../cli/services.ts';
import type { ServiceName } from '../../cli/topology.ts';

/**
 * Where the fault proxies go: pure, over the configurations of the processes. Each way from one process to another, to
 * the database server, to the provider and to the mail server gets a name and a proxy of its own, so a partition can
 * be between any two, and one-way.
 */

/** What is spoken on a way decides which faults make sense there. */
export type Protocol = 'http' | 'postgres' | 'smtp';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Way {
  /** `orders→inventory` */
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly protocol: Protocol;
  /** Over mutual TLS: who wants to look into messages there needs to be both ends. */
  readonly isSecured: boolean;
}

/** Whom a service calls: the door everyone, the others as the contracts allow. */
const calleesOf = (caller: ServiceName): readonly string[] =>
  caller === 'gateway'
    ? composedServices
    : publicContracts
        .filter(({ operations }) => Object.values(operations).some(({ callers }) => callers?.includes(caller)))
        .map(({ service }) => service);

export const clients = 'clients';
export const databaseServer = 'postgres';
export const mailServer = 'mail-server';

export const wayName = (from: string, to: string): string => `${from}→${to}`;

type Plain = Pick<ServicesConfig, 'process' | 'services'>;

const runningIn = (processes: readonly Plain[], service: string): readonly Plain[] =>
  processes.filter(({ services }) => services.some((each) => each === service));

/** What instances answer at together is called as their service is; a process that there is only one of, by its own name. */
function doorOf(processes: readonly Plain[], service: ServiceName): string | undefined {
  const [first, ...more] = runningIn(processes, service);
  return more.length > 0 ? service : first?.process;
}

/** Where clients come in. */
export const entranceOf = (processes: readonly Plain[]): string =>
  doorOf(processes, 'edge') ?? doorOf(processes, 'balancer') ?? doorOf(processes, 'gateway') ?? '';

/** Every way of a topology. */
export function waysOf(processes: readonly Plain[]): Way[] {
  const way = (from: string, to: string, protocol: Protocol, isSecured = false): Way => ({
    ...{ name: wayName(from, to), from, to, protocol, isSecured },
  });
  const entrance = entranceOf(processes);
  const ways: Way[] = [way(clients, entrance, 'http')];
  for (const { process, services } of processes) {
    const runs = (service: ServiceName) => services.includes(service);
    const reach = (service: string, isSecured: boolean) => {
      for (const callee of runningIn(processes, service)) {
        if (callee.process !== process) ways.push(way(process, callee.process, 'http', isSecured));
      }
    };
    for (const service of new Set(services.flatMap(calleesOf))) reach(service, true);
    if (runs('payments')) reach('payment-sandbox', false);
    if (runs('payment-sandbox') && !runs('gateway')) ways.push(way(process, entrance, 'http'));
    if (runs('balancer')) reach('gateway', false);
    if (runs('edge')) for (const behind of doorsBehind(processes)) ways.push(way(process, behind, 'http'));
    // The edge is told of no database.
    else ways.push(way(process, databaseServer, 'postgres'));
    if (runs('notifications')) ways.push(way(process, mailServer, 'smtp'));
  }
  return [...new Map(ways.map((each) => [each.name, each])).values()];
}

/** Whom the edge asks: the balancer for pages, gateways for what to forget. */
const doorsBehind = (processes: readonly Plain[]): readonly string[] =>
  [doorOf(processes, 'balancer'), doorOf(processes, 'gateway')].filter((door) => door !== undefined);

/** The port of the proxy on a way, which leads to the address given. */
export type Detour = (way: string, target: Address) => Promise<number>;

/** By process: the port of the proxy on the way to it, or to the door that it has beside the mesh. */
export interface Detours {
  readonly mesh: Readonly<Record<string, number>>;
  readonly doors: Readonly<Record<string, number>>;
}

/** A configuration whose process reaches all others through proxies, and where it is to reach those of the mesh. */
export async function rewire<C extends ServicesConfig>(
  config: C,
  all: readonly ServicesConfig[],
  ways: ReadonlySet<string>,
  detour: Detour,
): Promise<{ readonly config: C; readonly detours: Detours }> {
  const via = async (to: string, target: Address): Promise<Address> => {
    const name = wayName(config.process, to);
    return ways.has(name) ? { host: '127.0.0.1', port: await detour(name, target) } : target;
  };
  const viaUrl = async (to: string, text: string): Promise<string> => {
    const url = new URL(text);
    const { port } = await via(to, { host: url.hostname, port: Number(url.port) });
    url.port = String(port);
    return url.href.replace(/\/$/, text.endsWith('/') ? '/' : '');
  };
  const runs = (service: ServiceName) => config.services.includes(service);
  const databases: Record<string, string> = {};
  for (const [service, url] of Object.entries(config.databases)) databases[service] = await viaUrl(databaseServer, url);
  const { sandbox, mail, edge, entrance } = config;
  const front = entranceOf(all);
  // Where the provider sends its webhooks; only those who listen there need to know the address as it is.
  const isCaller = runs('payment-sandbox') && !runs('gateway');
  const rewired = {
    ...config,
    databases,
    ...(sandbox && !runs('payment-sandbox')
      ? { sandbox: await via(doorOf(all, 'payment-sandbox') ?? '', sandbox) }
      : {}),
    ...(isCaller && entrance ? { entrance: await via(front, entrance) } : {}),
    ...(isCaller && !entrance ? { public: await via(front, config.public) } : {}),
    ...(edge ? { edge: await rewireEdge(edge, all, viaUrl) } : {}),
    ...(mail ? { mail: { ...mail, url: await viaUrl(mailServer, mail.url) } } : {}),
  };
  return { config: rewired, detours: await detoursOf(config, all, ways, via) };
}

async function detoursOf(
  { process, services }: ServicesConfig,
  all: readonly ServicesConfig[],
  ways: ReadonlySet<string>,
  via: (to: string, target: Address) => Promise<Address>,
): Promise<Detours> {
  const mesh: Record<string, number> = {};
  const doors: Record<string, number> = {};
  for (const other of all.filter((each) => ways.has(wayName(process, each.process)))) {
    const isGateway = other.services.includes('gateway');
    if (isGateway && services.includes('balancer')) {
      doors[other.process] = (await via(other.process, other.public)).port;
    }
    // The door of these two is elsewhere: in the mesh they only show what they know.
    if (isGateway || other.services.includes('payment-sandbox') || !other.mesh) continue;
    mesh[other.process] = (await via(other.process, other.mesh)).port;
  }
  return { mesh, doors };
}

async function rewireEdge(
  edge: EdgeConfig,
  all: readonly ServicesConfig[],
  viaUrl: (to: string, url: string) => Promise<string>,
): Promise<EdgeConfig> {
  const { origin, purges } = edge;
  return {
    ...edge,
    origin: await viaUrl(doorOf(all, 'balancer') ?? '', origin),
    ...(purges === undefined ? {} : { purges: await viaUrl(doorOf(all, 'gateway') ?? '', purges) }),
  };
}
