import { parseArgs } from 'node:util';
import { systemWorld } from '#kit/runtime';
import {
  allMigrations,
  bugNamed,
  bugs,
  createRig,
  factsOf,
  failureOf,
  quietLog,
  runWorkload,
  tableOf,
  workloads,
} from './index.ts';
import { startLabServer } from './server.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '10' },
    round: { type: 'string' },
    bug: { type: 'string' },
    'list-bugs': { type: 'boolean', default: false },
    steps: { type: 'string', default: '25' },
    url: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const say = (text: string) => void process.stdout.write(`${text}\n`);

if (values['list-bugs']) {
  for (const { name, workload, summary } of bugs) say(`${name.padEnd(28)} ${workload.padEnd(12)} ${summary}`);
  process.exit(0);
}

const bug = values.bug === undefined ? undefined : bugNamed(values.bug);
const only = values.only ?? bug?.workload;
const wanted = workloads.filter(({ name }) => only === undefined || name === only);
if (wanted.length === 0 || (values.bug !== undefined && !bug)) {
  process.stderr.write(
    `No such ${wanted.length === 0 ? 'workload' : 'bug'}. Workloads: ${workloads.map(({ name }) => name).join(', ')}. Bugs: --list-bugs.\n`,
  );
  process.exit(2);
}

const world = systemWorld(quietLog);
const server = await startLabServer(world, values.url);
const rig = await createRig({ url: server.url, world, migrations: allMigrations });
const results = [];
try {
  for (const workload of wanted) {
    const range =
      values.round === undefined ? { rounds: Number(values.rounds) } : { firstRound: Number(values.round), rounds: 1 };
    const startMs = performance.now();
    const result = await runWorkload({ rig, workload, seed: Number(values.seed), ...range, bug });
    results.push(result);
    process.stderr.write(
      `${workload.name}: ${result.rounds} rounds, ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`,
    );
  }
} finally {
  await rig.close();
  await server.stop();
}
if (values.json)
  say(JSON.stringify({ ok: results.every(({ failure }) => !failure), seed: Number(values.seed), results }));
else {
  say(tableOf(results));
  for (const result of results) if (factsOf(result) !== '') say(`\n${factsOf(result)}`);
  for (const result of results) if (result.failure) say(`\n${failureOf(result, Number(values.steps))}`);
}
process.exitCode = results.every(({ failure }) => !failure) ? 0 : 5;
