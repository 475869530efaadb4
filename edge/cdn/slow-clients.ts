import type { Readable, Writable } from 'node:stream';
import type { Timers } from '#kit/runtime';

export interface SlowClientsOptions {
  readonly timers: Timers;
  /** A client that takes nothing of its reply for so long is cut off. */
  readonly stallMs: number;
  /** Of one address: bodies at once that come in while the origin waits for them. */
  readonly uploadsMax?: number;
  /** Bytes of replies held for clients of one address that are slower than the origin: more cuts them off. */
  readonly addressBytesMax?: number;
  /** And of all: more makes the origin wait. */
  readonly bytesMax?: number;
}

/**
 * Connections to the origin are few, and whoever is slow must not sit on them: what is answered is taken from the origin at
 * once and held for its client, within bounds, and an address may have only so many bodies under way.
 */
export interface SlowClients {
  /** Room for one more body; undefined where the address has as many as it may. To be called when it is over. */
  beginUpload(address: string): (() => void) | undefined;
  /** The body of a reply to its client, until either ends. */
  pour(body: Readable, response: Writable, address: string): void;
}

export function createSlowClients(options: SlowClientsOptions): SlowClients {
  const { timers, stallMs, uploadsMax = 16 } = options;
  const { addressBytesMax = 8 * 1024 * 1024, bytesMax = 128 * 1024 * 1024 } = options;
  const uploads = new Map<string, number>();
  const heldOf = new Map<string, number>();
  let heldAll = 0;

  function hold(address: string, bytes: number): void {
    add(heldOf, address, bytes);
    heldAll += bytes;
  }

  return {
    beginUpload(address) {
      if ((uploads.get(address) ?? 0) >= uploadsMax) return undefined;
      add(uploads, address, 1);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        add(uploads, address, -1);
      };
    },
    pour(body, response, address) {
      // All of it was read before.
      if (body.readableEnded) return void response.end();
      let [written, held] = [0, 0];
      let cancel = () => {};
      const sent = () => written - response.writableLength;
      const watch = (before: number) => {
        cancel = timers.after(stallMs, () => (sent() > before ? watch(sent()) : response.destroy()));
      };
      const free = () => {
        cancel();
        hold(address, -held);
        held = 0;
      };
      response.once('close', () => {
        free();
        body.destroy();
      });
      response.on('drain', () => {
        free();
        body.resume();
      });
      body.once('error', () => response.destroy());
      body.once('end', () => response.end());
      body.on('data', (chunk: Buffer) => {
        written += chunk.length;
        if (response.write(chunk)) return;
        if (held === 0) watch(sent());
        held += chunk.length;
        hold(address, chunk.length);
        if ((heldOf.get(address) ?? 0) > addressBytesMax) response.destroy();
        else if (heldAll > bytesMax) body.pause();
      });
    },
  };
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}
