import { parseArgs } from 'node:util';
import { runMatrix } from './matrix.ts';
import { allScenarios, titleOf } from './points.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    buyers: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
  },
});
const scenarios = allScenarios().filter((scenario) => titleOf(scenario).includes(values.only ?? ''));
const results = await runMatrix({
  scenarios,
  seed: Number(values.seed),
  buyers: Number(values.buyers),
  onProgress: (line) => process.stderr.write(`${line}\n`),
});
const violations = results.flatMap((result) =>
  result.violations.map((violation) => ({ ...result.scenario, ...violation })),
);
const sum = (pick: (result: (typeof results)[number]) => number) =>
  results.reduce((total, result) => total + pick(result), 0);
const report = {
  ok: violations.length === 0,
  seed: Number(values.seed),
  scenarios: results.length,
  killed: results.filter((result) => result.killed).length,
  orders: sum((result) => result.orders),
  confirmed: sum((result) => result.confirmed),
  refused: sum((result) => result.refused),
  stoodStillMs: Math.round(sum((result) => result.stoodStillMs)),
  violations,
};
process.stdout.write(`${JSON.stringify(report, null, values.json ? 0 : 2)}\n`);
process.exitCode = report.ok ? 0 : 5;
