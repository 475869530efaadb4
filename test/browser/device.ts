import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { chromiumPath } from './browser.ts';

/** A device whose power can be cut: a browser of its own, with a profile that outlives it. */
export interface Device {
  /** Starts the browser on the profile. */
  start(): Promise<BrowserContext>;
  /** Ends every process of the browser at once; nothing is saved that was not. */
  cutPower(): Promise<void>;
  /** The same, and forgets the profile. */
  throwAway(): Promise<void>;
}

export function createDevice(args: readonly string[] = []): Device {
  const profile = mkdtempSync(join(tmpdir(), 'hf-device-'));
  let child: ReturnType<typeof spawn> | undefined;
  let browser: Browser | undefined;

  async function cutPower(): Promise<void> {
    const { pid } = child ?? {};
    if (!child || pid === undefined) return;
    const gone = new Promise((resolve) => child?.once('close', resolve));
    // The group: renderers and the process that writes IndexedDB as well.
    process.kill(-pid, 'SIGKILL');
    await gone;
    child = undefined;
    await browser?.close().catch(() => {});
  }

  return {
    async start() {
      const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
      const own = [`--user-data-dir=${profile}`, '--remote-debugging-port=0', '--lang=en-IE'];
      child = spawn(chromiumPath as string, [...flags, ...own, ...args, 'about:blank'], {
        detached: true,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, TZ: 'Europe/Dublin', LANGUAGE: 'en_IE' },
      });
      for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
        const [url] = /ws:\/\/\S+/.exec(line) ?? [];
        if (url === undefined) continue;
        browser = await chromium.connectOverCDP(url);
        // Read on, or the pipe fills up and the browser waits.
        child.stderr?.resume();
        return browser.contexts()[0] as BrowserContext;
      }
      throw new Error('Chromium ended before it could be asked');
    },
    cutPower,
    async throwAway() {
      await cutPower();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}

/** A cable between a device and the shop: it can be pulled, and it can lose replies. */
export interface Cable {
  readonly origin: string;
  pull(): void;
  plugIn(): void;
  /**
   * The next reply to a POST is lost, and the cable with it: the shop has done what the device can’t know. Resolves when
   * that has happened.
   */
  loseNextReply(): Promise<void>;
  close(): Promise<void>;
}

export async function layCable(origin: string): Promise<Cable> {
  const { hostname, port } = new URL(origin);
  const sockets = new Set<Socket>();
  let isPulled = false;
  let lost: (() => void) | undefined;
  // Its port is kept while it is pulled: somebody else might take it before it is plugged in again.
  const server = createServer((device) => {
    device.on('error', () => {});
    if (isPulled) return void device.resetAndDestroy();
    const shop = connect(Number(port), hostname);
    let isAsking = false;
    for (const socket of [device, shop]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        device.destroy();
        shop.destroy();
      });
    }
    device.on('data', (bytes) => {
      if (bytes.subarray(0, 4).toString() === 'POST') isAsking = true;
      shop.write(bytes);
    });
    shop.on('data', (bytes) => {
      if (lost && isAsking) {
        pull();
        lost();
        lost = undefined;
      } else device.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const at = (server.address() as { port: number }).port;

  function pull(): void {
    isPulled = true;
    for (const socket of sockets) socket.destroy();
  }

  return {
    origin: `http://127.0.0.1:${at}`,
    pull,
    plugIn() {
      isPulled = false;
    },
    loseNextReply: () =>
      new Promise((resolve) => {
        lost = resolve;
      }),
    async close() {
      pull();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
