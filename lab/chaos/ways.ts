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
  injectHttp(name: string, fault: HttpFault): Promise<ActiveFault>;
  close(): Promise<void>;
}

/**
 * A proxy that knows messages has to be both ends of a secured way, and then neither sees the other's own certificate. So it
 * stands between only as long as messages are struck; otherwise bytes are handed on as they are.
 */
interface Opened {
  readonly target: Address;
  readonly tcp: TcpProxy;
  /** Where new connections lead. */
  next: Address;
  http: Promise<HttpProxy> | undefined;
  faultsOfMessages: number;
}

export function createWays(all: readonly Way[], seed: number, world: World, credentials: CredentialsOf): Ways {
  const opening = new Map<string, Promise<Opened>>();
  const opened = new Map<string, Opened>();
  const randomOf = (name: string) => seededRandom(seed, `way ${name}`);

  async function build(name: string, target: Address): Promise<Opened> {
    const tcp = await createTcpProxy({
      port: await findFreePort(),
      target: () => built.next,
      world: { ...world, random: randomOf(name) },
    });
    const built: Opened = { target, tcp, next: target, http: undefined, faultsOfMessages: 0 };
    opened.set(name, built);
    return built;
  }

  async function buildHttp(name: string, target: Address): Promise<HttpProxy> {
    const way = all.find((each) => each.name === name && each.protocol === 'http');
    if (!way) throw new Error(`the way ${name} carries no HTTP`);
    const secured = way.isSecured ? { caller: credentials(way.from), callee: credentials(way.to) } : undefined;
    return createHttpProxy({ port: await findFreePort(), target, world, random: randomOf(name), secured });
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
    async injectHttp(name, fault) {
      const way = proxyOn(name);
      way.http ??= buildHttp(name, way.target);
      const http = await way.http;
      const active = http.inject(fault);
      way.faultsOfMessages += 1;
      way.next = { host: '127.0.0.1', port: http.port };
      // Connections that are open lead past it.
      if (way.faultsOfMessages === 1) way.tcp.inject({ kind: 'reset' }).heal();
      return {
        strikes: active.strikes,
        heal() {
          active.heal();
          way.faultsOfMessages -= 1;
          if (way.faultsOfMessages === 0) way.next = way.target;
        },
      };
    },
    async close() {
      for (const { tcp, http } of opened.values()) {
        await tcp.close();
        await (await http)?.close();
      }
    },
  };
}
