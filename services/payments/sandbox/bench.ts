/**
 * How fast the sandbox is beside the code it stands in for a bank in: authorize + capture pairs a second through the
 * in-process adapter. `node services/payments/sandbox/bench.ts [pairs] [clients]`
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, systemWorld } from '#kit/runtime';
import { createSandboxProvider } from '../provider/sandbox.ts';
import { createFileJournal, createMemoryJournal, type Journal } from './journal.ts';
import { createSandbox } from './sandbox.ts';

const [pairs = 50_000, clients = 64] = process.argv.slice(2).map(Number);
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);

async function measure(name: string, journal: Journal): Promise<void> {
  const sandbox = await createSandbox({ ...world, journal });
  const provider = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_bench' });
  let next = 0;
  const startedMs = world.clock.monotonicMs();
  async function client(): Promise<void> {
    while (next < pairs) {
      const orderId = `ord_${next++}`;
      const authorized = await provider.authorize({
        key: `${orderId}/authorize`,
        orderId,
        amountMinor: 1_999,
        currency: 'GBP',
        paymentMethod: 'pm_card_visa',
      });
      const providerRef = authorized.providerRef as string;
      await provider.capture({ key: `${orderId}/capture`, providerRef });
    }
  }
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (world.clock.monotonicMs() - startedMs) / 1000;
  process.stdout.write(`${name}: ${Math.round(pairs / seconds)} pairs/s with ${clients} clients\n`);
  await sandbox.close();
}

const folder = await mkdtemp(join(tmpdir(), 'sandbox-bench-'));
try {
  await measure('warm-up', createMemoryJournal());
  await measure('memory journal', createMemoryJournal());
  const path = join(folder, 'books.log');
  await measure('file journal', createFileJournal({ path }));
  process.stdout.write(`file: ${Math.round((await stat(path)).size / pairs)} bytes a pair\n`);
} finally {
  await rm(folder, { recursive: true });
}
