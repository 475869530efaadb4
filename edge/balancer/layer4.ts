import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Component, World } from '#kit/runtime';
import type { BalancerPool } from './pool.ts';
import { type Addresses, encodeProxyHeader, parseProxyHeader } from './proxy-protocol.ts';

export interface Layer4Options {
  readonly world: World;
  readonly pool: BalancerPool;
  readonly host?: string;
  /** 0 takes any free port. Default 0. */
  readonly port?: number;
  /** Tells members who connected, by PROXY protocol v2. They must expect it. Default false. */
  readonly sendProxyHeader?: boolean;
  /** Whoever connects sends one. Only where nobody else can connect. Default false. */
  readonly expectProxyHeader?: boolean;
  /** Another member is tried when one does not accept within this. Default 2,000 ms. */
  readonly connectTimeoutMs?: number;
  /** A connection on which nothing passes is closed. Default 300,000 ms. */
  readonly idleMs?: number;
  /** When one side has said all, the other has so long to finish. Default 30,000 ms. */
  readonly halfOpenMs?: number;
  /** More are closed as they come. Default 10,000. */
  readonly connectionsMax?: number;
}

export interface Layer4 {
  readonly component: Component;
  /** Once started. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  readonly connections: number;
}

const triesMax = 3;
/** Asks a silent peer whether it is still there; a machine that vanished is noticed so. */
const keepAliveAfterMs = 10_000;
const proxyHeaderTimeoutMs = 5_000;

/**
 * Balances connections and looks at no byte of them. What one side ends the other is told (half-close passes through), what
 * breaks on one side breaks on the other, and back-pressure reaches from end to end. A member that does not accept is passed
 * over: nothing was sent to it yet. A connection that breaks later is the client's to judge.
 */
export function createLayer4(options: Layer4Options): Layer4 {
  const { world, pool, host = '127.0.0.1', port = 0, connectionsMax = 10_000 } = options;
  const { connectTimeoutMs = 2_000, idleMs = 300_000, halfOpenMs = 30_000 } = options;
  const open = new Set<Socket>();

  async function serve(client: Socket): Promise<void> {
    const claimed = options.expectProxyHeader ? await readProxyHeader(client, world) : undefined;
    const tried = new Set<string>();
    const key = claimed?.source.host ?? client.remoteAddress;
    for (let i = 0; i < triesMax && !client.destroyed; i++) {
      const endpoint = pool.choose({ key, tried });
      if (!endpoint) break;
      tried.add(endpoint.instance.process);
      const end = pool.begin(endpoint);
      const member = await dial(endpoint.instance, connectTimeoutMs);
      if (!member) {
        end('failed');
        continue;
      }
      client.once('close', () => end('well'));
      if (options.sendProxyHeader) member.write(encodeProxyHeader(claimed ?? addressesOf(client)));
      join(client, member);
      return;
    }
    client.destroy();
  }

  function join(client: Socket, member: Socket): void {
    let isHalfOpen = false;
    let cancel = () => {};
    for (const [from, to] of [
      [client, member],
      [member, client],
    ] as const) {
      from.setNoDelay(true);
      from.setKeepAlive(true, keepAliveAfterMs);
      from.setTimeout(idleMs, () => from.destroy());
      from.once('end', () => {
        if (isHalfOpen) return;
        isHalfOpen = true;
        cancel = world.timers.after(halfOpenMs, () => {
          client.destroy();
          member.destroy();
        });
      });
      from.once('error', () => to.resetAndDestroy());
      from.once('close', () => {
        cancel();
        // Ends what the end of `from` has not ended already.
        if (!to.destroyed && !from.readableEnded) to.destroy();
      });
      from.pipe(to);
    }
  }

  const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
    if (open.size >= connectionsMax) return void client.destroy();
    open.add(client);
    client.once('close', () => open.delete(client));
    client.on('error', () => client.destroy());
    serve(client).catch((error) => {
      world.log.debug('a connection was refused', { error });
      client.destroy();
    });
  });
  let address: Layer4['address'];

  return {
    get address() {
      return address;
    },
    get connections() {
      return open.size;
    },
    component: {
      name: 'layer 4 balancer',
      async start() {
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject).listen({ host, port }, () => resolve());
        });
        address = { host, port: (server.address() as AddressInfo).port };
      },
      /** Takes no new connections; those that are open end as they like, or with `stop`. */
      async drain() {
        server.close();
      },
      async stop() {
        server.close();
        for (const socket of open) socket.destroy();
      },
    },
  };
}

function addressesOf(client: Socket): Addresses {
  return {
    source: { host: client.remoteAddress ?? '', port: client.remotePort ?? 0 },
    destination: { host: client.localAddress ?? '', port: client.localPort ?? 0 },
  };
}

function dial(to: { readonly host: string; readonly port: number }, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: to.host, port: to.port, allowHalfOpen: true, timeout: timeoutMs });
    const fail = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.once('timeout', fail).once('error', fail);
    socket.once('connect', () => {
      socket.removeListener('timeout', fail).removeListener('error', fail).setTimeout(0);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

/** Reads the header and puts back what came behind it. */
function readProxyHeader(client: Socket, { timers }: World): Promise<Addresses | undefined> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const settle = (done: () => void) => {
      cancel();
      client.removeListener('data', take).removeListener('close', gone).pause();
      done();
    };
    const cancel = timers.after(proxyHeaderTimeoutMs, () => settle(() => reject(new Error('no PROXY header in time'))));
    const gone = () => settle(() => reject(new Error('closed before its PROXY header')));
    const take = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const parsed = parseProxyHeader(bytes);
      if (parsed.is === 'incomplete') return;
      if (parsed.is === 'refused') return settle(() => reject(new Error(parsed.why)));
      const rest = bytes.subarray(parsed.length);
      settle(() => {
        if (rest.length > 0) client.unshift(rest);
        resolve(parsed.addresses);
      });
    };
    client.on('data', take).once('close', gone).resume();
  });
}
