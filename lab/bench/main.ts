import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes, explain } from '../../cli/failure.ts';
import { drawChart } from './chart.ts';
import { chartOf } from './charts.ts';
import { benchCheckers } from './checkers.ts';
import { benchCheckout } from './checkout.ts';
import { benchGateway } from './gateway.ts';
import { benchLimits } from './limits.ts';
import { benchMemory } from './memory.ts';
import { benchMesh } from './mesh.ts';
import { benchMessaging } from './messaging.ts';
import { type BenchName, type BenchOptions, readOptions, usage } from './options.ts';
import type { Report } from './report.ts';
import { benchRush } from './rush.ts';
import { benchSaga } from './saga.ts';
import { benchSearch } from './search.ts';
import { benchShop } from './shop.ts';
import { tableOf } from './table.ts';

/** `npm run -s bench -- checkout|rush|saga|messaging|search|memory|checkers|mesh|limits|gateway|shop|all`: see README.md, or `--help`. */
const benches: Readonly<
  Record<BenchName, (options: BenchOptions, onProgress: (line: string) => void) => Promise<Report>>
> = {
  checkout: benchCheckout,
  rush: benchRush,
  saga: benchSaga,
  messaging: benchMessaging,
  search: benchSearch,
  memory: benchMemory,
  checkers: benchCheckers,
  mesh: benchMesh,
  limits: benchLimits,
  gateway: benchGateway,
  shop: benchShop,
};

const say = (line: string) => void process.stderr.write(`${line}\n`);

try {
  const options = readOptions(process.argv.slice(2), {
    outDir: join(import.meta.dirname, '../results'),
    profileDir: process.env['HOLDFAST_BENCH_PROFILE'] || undefined,
  });
  if (options === 'help') process.stdout.write(`${usage}\n`);
  else await run(options);
} catch (error) {
  const { sentence, exitCode } = explain(error);
  say(sentence);
  process.exitCode = exitCode;
}

async function run(options: BenchOptions): Promise<void> {
  mkdirSync(options.outDir, { recursive: true });
  const reports: Report[] = [];
  for (const name of options.names) {
    say(`${name}: begins`);
    const report = await benches[name](options, say);
    keep(report, options.outDir);
    reports.push(report);
    if (!options.json) process.stdout.write(`${tableOf(report)}\n`);
  }
  const [first] = reports;
  const document = reports.length === 1 ? first : Object.fromEntries(reports.map((report) => [report.bench, report]));
  if (options.json) process.stdout.write(`${JSON.stringify(document)}\n`);
  if (options.check && reports.some(({ ok }) => !ok)) process.exitCode = exitCodes.checkFailed;
}

function keep(report: Report, folder: string): void {
  const path = join(folder, report.bench);
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${path}.svg`, drawChart(chartOf(report)));
  say(`${report.bench}: kept as ${path}.json and .svg`);
}
