import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, Failure } from '../../cli/failure.ts';
import { settle } from './checkout/books.ts';
import { runClients, type Server } from './checkout/processes.ts';
import { shopDatabases, startShop } from './checkout/shop.ts';
import type { BenchOptions } from './options.ts';
import { barOf, openReport, type Report, rounded } from './report.ts';
import { startBenchServer } from './server.ts';

const clientsDefault = [1, 8, 32, 128];
const restMs = 3_000;
const loadedBytesBar = 350 * 1024 * 1024;
const megabytes = (bytes: number) => rounded(bytes / 1024 / 1024, 1);

interface Reading {
  readonly name: string;
  readonly rssMb: number;
  readonly rssMbMax: number;
  readonly heapUsedMb: number;
  readonly ordersPerSec?: number;
}

/** What one process with all services takes of memory: just started, under load, and when the load is over. */
export async function benchMemory(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const { clients = clientsDefault, rounds, measureMs } = options;
  const finish = openReport('memory');
  const server = await startBenchServer(shopDatabases);
  let shop: Server | undefined;
  try {
    shop = await startShop(server);
    const { memory } = shop;
    const readings: Reading[] = [];
    const read = (name: string, ordersPerSec?: number) => {
      const reading: Reading = {
        ...{ name, rssMb: megabytes(memory.rssBytes), rssMbMax: megabytes(memory.rssBytesMax) },
        heapUsedMb: megabytes(memory.heapUsedBytes),
        ...(ordersPerSec === undefined ? {} : { ordersPerSec: rounded(ordersPerSec, 1) }),
      };
      readings.push(reading);
      onProgress(
        `${name.padEnd(12)} ${reading.rssMb} MB resident, ${reading.rssMbMax} MB at most, heap ${reading.heapUsedMb} MB`,
      );
    };
    await sleep(restMs);
    read('idle');
    for (let round = 1; round <= rounds; round++) {
      for (const count of clients) {
        shop.forgetMemory();
        const result = await runClients(
          {
            ...{ contestant: 'holdfast', target: shop.url, spread: 'uniform', clients: count },
            ...{ seed: `memory-${round}-${count}`, warmUpMs: 500, measureMs },
          },
          { postgres: server.pid, server: shop.pid },
        );
        if (result.errors > 0) throw new Failure(exitCodes.internal, `Orders failed: ${result.firstError}.`);
        read(`loaded@${count}`, result.perSec);
        await settle(server);
      }
    }
    await sleep(restMs);
    shop.forgetMemory();
    await sleep(restMs / 3);
    read('afterwards');
    const loadedMax = Math.max(...readings.map(({ rssMbMax }) => rssMbMax));
    return finish({
      bars: [barOf({ name: 'loaded', value: loadedMax, limit: megabytes(loadedBytesBar), unit: 'MB', rule: 'below' })],
      ratios: {},
      runs: [],
      details: { idleMb: readings[0]?.rssMb, loadedMb: loadedMax, readings },
    });
  } finally {
    await shop?.stop();
    await server.stop();
  }
}
