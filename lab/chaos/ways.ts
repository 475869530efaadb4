import { seededRandom, type World } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import type { CredentialsOf } from './credentials.ts';
import { createHttpProxy, type HttpFault, type HttpProxy } from './proxy/http.ts';
import { type ActiveFault, createTcpProxy, type TcpFault, type TcpProxy } from './proxy/tcp.ts';
import type { Address, Way } from './wiring.ts';

/** The proxies of a run, by way. */
export interface Ways {
  readonly all: readonly Way[];
  /** Puts a proxy on the way, once, and gives its port. */
  open(name: string, target: Address): Promise<number>;
  /** Of the proxy on a way, once it is there. */
  portOf(name: string): number;
  injectTcp(name: string, fault: TcpFault): ActiveFault;
  injectHttp(name: string, fault: HttpFault): ActiveFault;
  close(): Promise<void>;
}

interface Opened {
  readonly tcp: TcpProxy;
  readonly http?: HttpProxy;
}

export function createWays(all: readonly Way[], seed: number, world: World, credentials: CredentialsOf): Ways {
  const opening = new Map<string, Promise<Opened>>();
  const opened = new Map<string, Opened>();

  async function build(name: string, target: Address): Promise<Opened> {
    const random = seededRandom(seed, `way ${name}`);
    const way = all.find((each) => each.name === name && each.protocol === 'http');
    const secured = way?.isSecured ? { caller: credentials(way.from), callee: credentials(way.to) } : undefined;
    const http = way && (await createHttpProxy({ port: await findFreePort(), target, world, random, secured }));
    const behind = http ? { host: '127.0.0.1', port: http.port } : target;
    const tcp = await createTcpProxy({ port: await findFreePort(), target: behind, world: { ...world, random } });
    const built = { tcp, ...(http ? { http } : {}) };
    opened.set(name, built);
    return built;
  }

  const proxyOn = (name: string): Opened => {
    const found = opened.get(name);
    if (!found) throw new Error(`there is no proxy on the way ${name}`);
    return found;
  };

  return {
    all,
    async open(name, target) {
      const known = opening.get(name) ?? build(name, target);
      opening.set(name, known);
      return (await known).tcp.port;
    },
    portOf: (name) => proxyOn(name).tcp.port,
    injectTcp: (name, fault) => proxyOn(name).tcp.inject(fault),
    injectHttp(name, fault) {
      const { http } = proxyOn(name);
      if (!http) throw new Error(`the way ${name} carries no HTTP`);
      return http.inject(fault);
    },
    async close() {
      for (const { tcp, http } of opened.values()) {
        await tcp.close();
        await http?.close();
      }
    },
  };
}
