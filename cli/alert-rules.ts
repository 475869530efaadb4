import { badMin, burnRules, type Objective, windowsMs } from '#kit/objectives';
import { windowName } from './objectives.ts';

/** Rules for Prometheus that alert as `holdfast slo` does, from the counters and histograms of the gateways. */
export interface RuleFile {
  readonly groups: readonly RuleGroup[];
}

interface RuleGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

type Rule =
  | { readonly record: string; readonly expr: string; readonly labels?: Labels }
  | { readonly alert: string; readonly expr: string; readonly labels: Labels; readonly annotations: Labels };
type Labels = Readonly<Record<string, string>>;

type Kind = Objective['kind'];
const kinds: readonly Kind[] = ['availability', 'latency'];

export function alertRules(objectives: readonly Objective[]): RuleFile {
  return {
    groups: kinds.map((kind) => {
      const own = objectives.filter((each) => each.kind === kind);
      return { name: `holdfast-${kind}`, rules: [...recordings(kind, own), ...alerts(kind)] };
    }),
  };
}

const requests = 'holdfast_requests_total';
const durations = 'holdfast_request_duration_seconds';

/** Share of bad requests by operation, for each window: what the alerts compare. */
function recordings(kind: Kind, objectives: readonly Objective[]): Rule[] {
  return windowsMs.flatMap((windowMs) => {
    const window = windowName(windowMs);
    const record = ratioName(kind, window);
    if (kind === 'availability') {
      const rate = (fits: string) => `sum by (operation) (rate(${requests}{service="gateway"${fits}}[${window}]))`;
      return [{ record, expr: `${rate(',status="5xx"')} / ${rate('')}` }];
    }
    return [...byBound(objectives)].map(([withinSec, keys]) => {
      const fits = `service="gateway",status!="5xx",operation=~"${oneOf(keys)}"`;
      const quick = `sum by (operation) (rate(${durations}_bucket{${fits},le=~"${boundText(withinSec)}"}[${window}]))`;
      const all = `sum by (operation) (rate(${durations}_count{${fits}}[${window}]))`;
      return { record, expr: `1 - ${quick} / ${all}`, labels: { within: `${withinSec}s` } };
    });
  });
}

/** What is promised of each operation is told by the gateways, so the alerts are the same for all. */
function alerts(kind: Kind): Rule[] {
  return burnRules.map(({ severity, factor, longMs, shortMs }) => {
    const [long, short] = [windowName(longMs), windowName(shortMs)];
    const limit = `${factor} * (1 - max by (operation) (holdfast_slo_target_ratio{objective="${kind}"}))`;
    // With next to no requests one failure is a large share.
    const bad = `${ratioName(kind, long)} * on (operation) sum by (operation) (increase(${requests}{service="gateway"}[${long}]))`;
    return {
      alert: kind === 'availability' ? 'HoldfastFailuresBurnBudget' : 'HoldfastSlownessBurnBudget',
      expr: [
        `${ratioName(kind, long)} > on (operation) ${limit}`,
        `and on (operation) ${ratioName(kind, short)} > on (operation) ${limit}`,
        `and on (operation) ${bad} >= ${badMin}`,
      ].join(' '),
      labels: { severity, objective: kind, window: long },
      annotations: {
        summary: `{{ $labels.operation }} spends its error budget ${factor} times too fast (${long} and ${short})`,
        description: 'See "holdfast slo", then "holdfast logs --level warn" and "holdfast trace".',
      },
    };
  });
}

const ratioName = (kind: Kind, window: string) => `operation:holdfast_${kind}_bad:ratio_rate${window}`;

const byBound = (objectives: readonly Objective[]): Map<number, string[]> => {
  const groups = new Map<number, string[]>();
  for (const { key, withinSec = 0 } of objectives) groups.set(withinSec, [...(groups.get(withinSec) ?? []), key]);
  return groups;
};

/** Prometheus 3 writes whole numbers with a fraction, 2 does not. */
const boundText = (bound: number): string =>
  `${String(bound).replace('.', '\\\\.')}${Number.isInteger(bound) ? '(\\\\.0)?' : ''}`;

const oneOf = (keys: readonly string[]): string => keys.map((key) => key.replaceAll('.', '\\\\.')).join('|');

/** As YAML: keys plain, texts in double quotes, which YAML reads as JSON does. */
export function toYaml(value: unknown, indent = ''): string {
  if (Array.isArray(value)) {
    return value.map((item) => `${indent}- ${toYaml(item, `${indent}  `).trimStart()}`).join('');
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([name, item]) => {
        const isDeep = typeof item === 'object' && item !== null;
        return isDeep
          ? `${indent}${name}:\n${toYaml(item, `${indent}  `)}`
          : `${indent}${name}: ${JSON.stringify(item)}\n`;
      })
      .join('');
  }
  return `${indent}${JSON.stringify(value)}\n`;
}
