import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { promisedByName, promises } from '#contracts/objectives';
import { burnRules, windowsMs } from '#kit/objectives';
import { createVirtualWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { alertRules, toYaml } from './alert-rules.ts';
import { publicContracts } from './compose.ts';
import { countsOf, objectivesOf, shopObjectives, windowName } from './objectives.ts';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const text = toYaml(alertRules(shopObjectives()));
const rules = (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

/** Where the expression is not PromQL; undefined where it is. */
function mistakeIn(expression: string): string | undefined {
  let mistake: string | undefined;
  parser.parse(expression).iterate({
    enter(node) {
      if (node.type.isError) mistake ??= `at ${node.from}: ${expression.slice(node.from, node.from + 20)}`;
    },
  });
  return mistake;
}

test('the rules for Prometheus are YAML that says what the code says, and each expression is PromQL', () => {
  expect(parse(text)).toEqual(alertRules(shopObjectives()));
  for (const { expr } of rules) expect(mistakeIn(expr), expr).toBeUndefined();
  expect(mistakeIn('sum by (operation) (rate(x[5m])')).toBeDefined();
});

test('promtool agrees, where it is installed', ({ skip }) => {
  const file = join(mkdtempSync(join(tmpdir(), 'rules-')), 'holdfast.yaml');
  writeFileSync(file, text);
  try {
    expect(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })).toContain('SUCCESS');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') skip();
    throw error;
  }
});

test('each window is recorded once, of every operation with a promise of time; each kind has an alert for each rule', () => {
  const names = rules.map(({ record, alert, labels }) => JSON.stringify([record, alert, labels]));
  expect(new Set(names).size, 'a rule that is there twice').toBe(names.length);
  for (const window of windowsMs.map(windowName)) {
    const of = (kind: string) =>
      rules.filter(({ record }) => record === `operation:holdfast_${kind}_bad:ratio_rate${window}`);
    expect(of('availability')).toHaveLength(1);
    const timed = of('latency').flatMap(({ expr }) => /operation=~"([^"]*)"/.exec(expr)?.[1]?.split('|') ?? []);
    const promised = shopObjectives().filter(({ kind }) => kind === 'latency');
    expect(timed.map((name) => name.replaceAll('\\\\.', '.')).sort()).toEqual(promised.map(({ key }) => key).sort());
  }
  for (const kind of ['availability', 'latency']) {
    const alerts = rules.filter(({ alert, labels }) => alert !== undefined && labels?.['objective'] === kind);
    expect(alerts.map(({ labels }) => labels?.['severity'])).toEqual(burnRules.map(({ severity }) => severity));
  }
});

test('every operation that people call is promised something, by a bound that the histogram has; no name is of nothing', () => {
  const promised = promises(publicContracts);
  for (const name of promisedByName) expect([...promised.keys()]).toContain(name);
  for (const { service, operations } of publicContracts)
    for (const [name, { access }] of Object.entries(operations))
      expect(promised.has(`${service}.${name}`)).toBe(access.some((kind) => kind !== 'service'));
  const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
  for (const { withinSec, target } of objectivesOf(promised)) {
    if (withinSec !== undefined) expect(bounds).toContain(withinSec);
    expect(target).toBeLessThan(1);
  }
});

test('what failed and what was slow is read from the histogram of the door alone', () => {
  const telemetry = createTelemetry({ ...createVirtualWorld({ seed: 1 }), service: 'x' });
  const seconds = telemetry.histogram({
    name: 'holdfast_request_duration_seconds',
    help: 'Time.',
    labels: ['service', 'operation', 'status'],
  });
  const served = (service: string, operation: string, status: string, value: number) =>
    seconds.observe({ service, operation, status }, value);
  served('gateway', 'orders.place', '2xx', 0.9);
  served('gateway', 'orders.place', '2xx', 1);
  served('gateway', 'orders.place', '4xx', 1.1);
  served('gateway', 'orders.place', '5xx', 3);
  served('orders', 'place', '5xx', 3);
  served('gateway', 'none', '4xx', 3);
  expect(countsOf(telemetry.metrics(), new Map([['orders.place', 1]]))).toEqual(new Map([['orders.place', [4, 1, 1]]]));
});
