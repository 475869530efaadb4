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
/** A run of many orders (`--prefill`), looked at so many times. */
const longParts = 4;
const longClients = 32;
const longMsMax = 3_600_000;
const loadedBytesBar = 350 * 1024 * 1024;
const megabytes = (bytes: number) => rounded(bytes / 1024 / 1024, 1);

interface Reading {
  readonly name: string;
  readonly rssMb: number;
  readonly rssMbMax: number;
  readonly heapUsedMb: number;
}

/** What one process with all services takes of memory: just started, under load, and when the load is over. */
export async function benchMemory(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const { clients = clientsDefault, rounds, measureMs, prefill } = options;
  const finish = openReport('memory');
  const server = await startBenchServer(shopDatabases);
  let shop: Server | undefined;
  try {
    shop = await startShop(server);
    const { memory, url } = shop;
    const readings: Reading[] = [];
    const read = (name: string) => {
      const reading: Reading = {
        ...{ name, rssMb: megabytes(memory.rssBytes), rssMbMax: megabytes(memory.rssBytesMax) },
        heapUsedMb: megabytes(memory.heapUsedBytes),
      };
      readings.push(reading);
      onProgress(
        `${name.padEnd(12)} ${reading.rssMb} MB resident, ${reading.rssMbMax} MB at most, heap ${reading.heapUsedMb} MB`,
      );
    };
    await sleep(restMs);
    read('idle');
    const load = async (
      name: string,
      count: number,
      work: { readonly measureMs: number; readonly turnsMax?: number },
    ) => {
      shop?.forgetMemory();
      const result = await runClients(
        {
          ...{ contestant: 'holdfast', target: url, basket: 'real', clients: count },
          ...{ seed: `memory-${readings.length}`, warmUpMs: 0, ...work },
        },
        { postgres: server.pid },
      );
      if (result.errors > 0) throw new Failure(exitCodes.internal, `Orders failed: ${result.firstError}.`);
      read(name);
      await settle(server);
    };
    for (let round = 1; round <= rounds; round++) {
      for (const count of clients) await load(`loaded@${count}`, count, { measureMs });
    }
    // What is kept too long shows only after many orders.
    for (let part = 1; part <= longParts && prefill > 0; part++) {
      const turnsMax = Math.ceil(prefill / longParts);
      await load(`after ${turnsMax * part} orders`, longClients, { measureMs: longMsMax, turnsMax });
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
      table: {
        head: ['', 'resident MB', 'at most MB', 'heap MB'],
        rows: readings.map(({ name, rssMb, rssMbMax, heapUsedMb }) => [name, rssMb, rssMbMax, heapUsedMb]),
      },
      details: { idleMb: readings[0]?.rssMb, loadedMb: loadedMax, readings },
    });
  } finally {
    await shop?.stop();
    await server.stop();
  }
}
