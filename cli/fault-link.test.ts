import { connect, createServer, type Socket } from 'node:net';
import { beforeEach, expect, test } from 'vitest';
import type { ActiveFault } from '#contracts/operators';
import { systemWorld } from '#kit/runtime';
import { type FaultLink, openFaultLink } from './fault-link.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
let link: FaultLink;
let told: (active: readonly ActiveFault[]) => void;
/** Of somebody who called before anything was wrong. */
let caller: Socket;
let heard: string;

beforeEach(async () => {
  // Says back what it hears.
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  link = await openFaultLink({
    world: systemWorld(quiet),
    services: ['orders'],
    at: { host: '127.0.0.1', port },
    faults: {
      watch(listener) {
        told = listener;
      },
    },
  });
  heard = '';
  caller = connect(link.address).on('error', () => {});
  caller.on('data', (bytes) => {
    heard += bytes.toString();
  });
  caller.write('a');
  await expect.poll(() => heard).toBe('a');
  return async () => {
    caller.destroy();
    await link.component.stop?.();
    server.close();
  };
});

test('over a connection that is cut off nothing comes, and all of it after the heal', async () => {
  told([{ kind: 'cut-off', service: 'orders' }]);
  caller.write('b');
  told([{ kind: 'cut-off', service: 'orders' }]);
  // As long as a packet of another connection takes there and back.
  const other = connect(link.address).on('error', () => {});
  await new Promise((resolve) => other.once('connect', resolve));
  expect(heard).toBe('a');
  told([]);
  await expect.poll(() => heard).toBe('ab');
  other.destroy();
});

test('over a slow connection everything comes late, both ways', async () => {
  told([{ kind: 'slow', service: 'orders' }]);
  const fromMs = performance.now();
  caller.write('b');
  await expect.poll(() => heard).toBe('ab');
  expect(performance.now() - fromMs).toBeGreaterThan(1_000);
});

test('faults of other services are not felt', async () => {
  told([{ kind: 'cut-off', service: 'payments' }]);
  caller.write('b');
  await expect.poll(() => heard).toBe('ab');
});
