import { connect, createServer, type Socket } from 'node:net';
import type { Random, World } from '#kit/runtime';

/** `to-server`: what the client says; `to-client`: what it is answered. */
export type Direction = 'to-server' | 'to-client';

/**
 * What can be wrong with a connection.
 *
 * delay       every piece arrives `ms` later, give or take `jitterMs`; order is kept
 * black-hole  nothing arrives and nothing ends, as when a cable is pulled: TCP keeps it and hands it over after the heal
 * cut         the connection is reset after so many more bytes, in the middle of a message
 * slow        so many bytes a second
 * refuse      new connections are reset, those that are open go on
 * reset       every open connection is reset, and each that is opened
 */
export type TcpFault =
  | { readonly kind: 'delay'; readonly direction: Direction; readonly ms: number; readonly jitterMs: number }
  | { readonly kind: 'black-hole'; readonly direction: Direction }
  | { readonly kind: 'cut'; readonly direction: Direction; readonly afterBytes: number }
  | { readonly kind: 'slow'; readonly direction: Direction; readonly bytesPerSec: number }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'reset' };

/** A fault in force. */
export interface ActiveFault {
  /** How often it struck: pieces held up, connections broken. */
  readonly strikes: () => number;
  heal(): void;
}

export interface TcpProxy {
  readonly port: number;
  /** Pieces carried so far, both ways. */
  readonly carried: () => number;
  inject(fault: TcpFault): ActiveFault;
  close(): Promise<void>;
}

export interface TcpProxyOptions {
  /** Where to listen, on 127.0.0.1. */
  readonly port: number;
  /** Asked for each connection. */
  readonly target: () => { readonly host: string; readonly port: number };
  readonly world: Pick<World, 'clock' | 'timers' | 'random'>;
}

/** Bytes read from one side and not yet written to the other; then that side is not read any more. */
const bufferedBytesMax = 256 * 1024;

interface Entry {
  readonly fault: TcpFault;
  strikes: number;
  /** Resolves when it is healed: whoever waits goes on. */
  readonly healed: PromiseWithResolvers<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes carried since a `cut` was injected. */
  readonly cutBytes: Map<Entry, number>;
}

/** A proxy for any TCP protocol between two processes, with faults that come and go while it runs. */
export async function createTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const { target, world } = options;
  const active = new Set<Entry>();
  const pairs = new Set<Pair>();
  let carried = 0;

  const of = <K extends TcpFault['kind']>(kind: K, direction?: Direction) =>
    [...active].filter(
      (entry): entry is Entry & { fault: TcpFault & { kind: K } } =>
        entry.fault.kind === kind && (!('direction' in entry.fault) || entry.fault.direction === direction),
    );

  const breakPair = ({ client, server }: Pair) => {
    client.resetAndDestroy();
    server.resetAndDestroy();
  };

  function accept(client: Socket): void {
    client.on('error', () => {});
    const refused = [...of('refuse'), ...of('reset')];
    if (refused.length > 0) {
      for (const entry of refused) entry.strikes += 1;
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...target(), allowHalfOpen: true });
    const pair: Pair = { client, server, cutBytes: new Map() };
    pairs.add(pair);
    // An end that nobody was there to take the call for reaches the caller as a reset.
    server.on('error', () => client.resetAndDestroy());
    for (const socket of [client, server]) socket.setNoDelay(true);
    carry(pair, client, server, 'to-server');
    carry(pair, server, client, 'to-client');
  }

  function carry(pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    let chain = Promise.resolve();
    let buffered = 0;
    let dueMs = 0;
    from.on('data', (piece: Buffer) => {
      buffered += piece.length;
      if (buffered >= bufferedBytesMax) from.pause();
      dueMs = Math.max(dueMs, world.clock.monotonicMs() + delayOf(direction, world.random));
      const due = dueMs;
      chain = chain.then(async () => {
        await pass(pair, to, piece, direction, due);
        buffered -= piece.length;
        if (buffered < bufferedBytesMax) from.resume();
      });
    });
    const after = (what: () => void) => {
      chain = chain.then(async () => {
        await whileBlocked(direction);
        what();
      });
    };
    from.on('end', () => after(() => to.end()));
    from.on('close', (hadError) => {
      after(() => {
        if (hadError) to.resetAndDestroy();
        else to.destroy();
        if (from.destroyed && to.destroyed) pairs.delete(pair);
      });
    });
  }

  async function pass(pair: Pair, to: Socket, piece: Buffer, direction: Direction, dueMs: number): Promise<void> {
    await waitUntil(dueMs);
    for (const entry of of('slow', direction)) {
      entry.strikes += 1;
      const took = world.timers.sleep((piece.length / entry.fault.bytesPerSec) * 1_000);
      await Promise.race([took, entry.healed.promise]);
    }
    await whileBlocked(direction);
    if (to.destroyed) return;
    for (const entry of of('cut', direction)) {
      const before = pair.cutBytes.get(entry) ?? 0;
      pair.cutBytes.set(entry, before + piece.length);
      if (before + piece.length <= entry.fault.afterBytes) continue;
      entry.strikes += 1;
      to.write(piece.subarray(0, entry.fault.afterBytes - before), () => breakPair(pair));
      return;
    }
    carried += 1;
    if (!to.write(piece)) await Promise.race([drained(to), closed(to)]);
  }

  async function waitUntil(dueMs: number): Promise<void> {
    const leftMs = dueMs - world.clock.monotonicMs();
    if (leftMs > 0) await world.timers.sleep(leftMs);
  }

  async function whileBlocked(direction: Direction): Promise<void> {
    for (;;) {
      const [blocking] = of('black-hole', direction);
      if (!blocking) return;
      blocking.strikes += 1;
      await blocking.healed.promise;
    }
  }

  function delayOf(direction: Direction, random: Random): number {
    let sumMs = 0;
    for (const entry of of('delay', direction)) {
      entry.strikes += 1;
      sumMs += Math.max(0, entry.fault.ms + (2 * random.next() - 1) * entry.fault.jitterMs);
    }
    return sumMs;
  }

  const listener = createServer({ allowHalfOpen: true }, accept);
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(options.port, '127.0.0.1', resolve);
  });

  return {
    port: (listener.address() as { port: number }).port,
    carried: () => carried,
    inject(fault) {
      const entry: Entry = { fault, strikes: 0, healed: Promise.withResolvers<void>() };
      active.add(entry);
      if (fault.kind === 'reset') {
        entry.strikes += pairs.size;
        for (const pair of pairs) breakPair(pair);
      }
      return {
        strikes: () => entry.strikes,
        heal() {
          active.delete(entry);
          entry.healed.resolve();
        },
      };
    },
    async close() {
      for (const entry of active) entry.healed.resolve();
      active.clear();
      const ended = new Promise((resolve) => listener.close(resolve));
      for (const pair of pairs) breakPair(pair);
      await ended;
    },
  };
}

const drained = (socket: Socket) => new Promise<void>((resolve) => void socket.once('drain', resolve));
const closed = (socket: Socket) => new Promise<void>((resolve) => void socket.once('close', () => resolve()));
