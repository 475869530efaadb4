import { composedServices } from '../../cli/compose.ts';
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

/** Who calls whom, by service. */
const callees: Readonly<Partial<Record<ServiceName, readonly ServiceName[]>>> = {
  gateway: composedServices,
  orders: ['products', 'inventory', 'payments'],
  carts: ['products', 'inventory', 'orders'],
  tills: ['carts', 'inventory', 'payments'],
  notifications: ['users'],
};

export const clients = 'clients';
export const databaseServer = 'postgres';
export const mailServer = 'mail-server';

export const wayName = (from: string, to: string): string => `${from}→${to}`;

type Plain = Pick<ServicesConfig, 'process' | 'services'>;

/** Every way of a topology. */
export function waysOf(processes: readonly Plain[]): Way[] {
  const way = (from: string, to: string, protocol: Protocol, isSecured = false): Way => ({
    ...{ name: wayName(from, to), from, to, protocol, isSecured },
  });
  const running = (service: ServiceName) => processes.filter(({ services }) => services.includes(service));
  const ways: Way[] = running('gateway').map((gateway) => way(clients, gateway.process, 'http'));
  for (const { process, services } of processes) {
    const reach = (service: ServiceName, isSecured: boolean) => {
      for (const callee of running(service)) {
        if (callee.process !== process) ways.push(way(process, callee.process, 'http', isSecured));
      }
    };
    for (const service of new Set(services.flatMap((each) => callees[each] ?? []))) reach(service, true);
    if (services.includes('payments')) reach('payment-sandbox', false);
    if (services.includes('payment-sandbox')) reach('gateway', false);
    // The edge is told of no database.
    if (!services.includes('edge')) ways.push(way(process, databaseServer, 'postgres'));
    if (services.includes('notifications')) ways.push(way(process, mailServer, 'smtp'));
  }
  return [...new Map(ways.map((each) => [each.name, each])).values()];
}

/** The port of the proxy on a way, which leads to the address given. */
export type Detour = (way: string, target: Address) => Promise<number>;

/** By process: the port of the proxy on the way to it. */
export type Detours = Readonly<Record<string, number>>;

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
  const detours: Record<string, number> = {};
  // The doors of these two are elsewhere: in the mesh they only show what they know.
  const hasOtherDoor = ({ services }: Plain) => services.includes('gateway') || services.includes('payment-sandbox');
  for (const other of all) {
    if (!other.mesh || hasOtherDoor(other) || !ways.has(wayName(config.process, other.process))) continue;
    detours[other.process] = (await via(other.process, other.mesh)).port;
  }
  const databases: Record<string, string> = {};
  for (const [service, url] of Object.entries(config.databases)) databases[service] = await viaUrl(databaseServer, url);
  const runs = (service: ServiceName) => config.services.includes(service);
  const processOf = (service: ServiceName) => all.find(({ services }) => services.includes(service))?.process ?? '';
  const { sandbox, mail } = config;
  const rewired = {
    ...config,
    databases,
    ...(sandbox && !runs('payment-sandbox') ? { sandbox: await via(processOf('payment-sandbox'), sandbox) } : {}),
    // The door is where the provider sends its webhooks; only the gateway's own process listens there.
    ...(runs('payment-sandbox') && !runs('gateway') ? { public: await via(processOf('gateway'), config.public) } : {}),
    ...(mail ? { mail: { ...mail, url: await viaUrl(mailServer, mail.url) } } : {}),
  };
  return { config: rewired, detours };
}
