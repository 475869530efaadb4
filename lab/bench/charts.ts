import type { Chart, ColumnsPanel, RowsPanel } from './chart.ts';
import type { Report, Run } from './report.ts';

/** What each benchmark shows, in words for people who don't know it. */
export function chartOf(report: Report): Chart {
  const { bench, machine, bars } = report;
  const [before, after] = machine.loadAverage;
  return {
    title: titles[bench] ?? bench,
    subtitle: `${machine.cpus} cores, ${machine.cpuModel}, Node ${machine.node}, ${machine.startedAt.slice(0, 16).replace('T', ' ')} UTC, load average ${before} before and ${after} after`,
    panels: panels[bench]?.(report) ?? [],
    bars,
  };
}

const titles: Readonly<Record<string, string>> = {
  checkout: 'Whole orders, beside hand-written SQL',
  rush: 'Two hundred buyers for fifty units, each clicking twice',
  saga: 'Four durable steps, beside a commit a step by hand',
  messaging: 'From an outbox to a consumer, effectively once',
  search: 'Search, typos and facets included',
  memory: 'Memory of one process with all services',
  checkers: 'Time to check a long history',
  mesh: 'A call between processes, and a slow service at the end of a chain',
  limits: 'Rate limits of a million users',
  gateway: 'What the gateway costs, alone and as a proxy',
  shop: 'A shop of many processes whose parts are restarted, killed and asked for too much',
};

const panels: Readonly<Record<string, (report: Report) => readonly (ColumnsPanel | RowsPanel)[]>> = {
  checkout: ({ runs }) => {
    const shown = [
      ['checkout', 'Holdfast'],
      ['hot', 'Holdfast, hot SKU'],
      ['transaction', 'a transaction by hand'],
      ['transaction-hot', 'the same, hot SKU'],
      ['cte', 'one statement by hand'],
    ] as const;
    const short = [
      ['short', 'Holdfast'],
      ['transaction-short', 'a transaction by hand'],
    ] as const;
    return [
      columns('orders a second, by clients', runs, shown, ({ perSec }) => perSec),
      columns('orders of two lines a second, by clients', runs, short, ({ perSec }) => perSec),
      columns('99th percentile of latency in ms, by clients', runs, shown, ({ p99Ms }) => p99Ms),
    ];
  },
  rush: ({ table, runs }) => [
    {
      ...{ kind: 'rows', title: 'units sold that were not there, the worst of all rounds', unit: 'units' },
      rows: (table?.rows ?? []).map(([name, buyers, , oversold]) => ({
        name: `${name}, ${buyers} buyers`,
        value: Number(oversold),
      })),
    },
    {
      ...{ kind: 'rows', title: '99th percentile of the time until both clicks were answered', unit: 'ms' },
      rows: runs.map(({ name, clients, p99Ms }) => ({ name: `${name}, ${clients} buyers`, value: p99Ms })),
    },
  ],
  saga: ({ runs }) => {
    const shown = [
      ['saga', 'kit/saga'],
      ['commit-per-step', 'a transaction a step, by hand'],
      ['statement-per-step', 'one statement a step, by hand'],
    ] as const;
    return [
      columns('workflows a second, by how many run at a time', runs, shown, ({ perSec }) => perSec),
      columns('99th percentile of the time of one in ms', runs, shown, ({ p99Ms }) => p99Ms),
    ];
  },
  messaging: ({ runs, bars }) => {
    const [throughput, latency] = bars;
    const run = runs[0];
    if (!run || !throughput || !latency) return [];
    return [
      {
        ...{ kind: 'rows', title: 'throughput', unit: 'events/s', rule: 'at-least', limit: throughput.limit },
        rows: [{ name: 'outbox → log → inbox', value: run.perSec }],
      },
      {
        ...{ kind: 'rows', title: 'latency of one event when idle', unit: 'ms', limit: latency.limit },
        rows: [
          { name: 'median', value: run.p50Ms },
          { name: '99th percentile', value: run.p99Ms },
        ],
      },
    ];
  },
  search: ({ runs, bars, details }) => [
    {
      ...{ kind: 'rows', unit: 'ms' },
      title: `99th percentile by kind of query, ${String(details['products'])} products`,
      rows: runs.map(({ name, clients, p99Ms }) => ({
        name: clients === 1 ? name : `${name} @${clients}`,
        value: p99Ms,
      })),
      ...(bars[0] ? { limit: bars[0].limit } : {}),
    },
  ],
  checkers: ({ runs }) => [
    {
      ...{ kind: 'rows', title: 'milliseconds for the whole history', unit: 'ms' },
      rows: runs.map(({ name, p50Ms }) => ({ name, value: p50Ms })),
    },
  ],
  mesh: ({ runs, bars }) => [
    columns(
      'calls a second, by clients',
      runs.filter(({ name }) => name === 'mesh' || name === 'bare'),
      [
        ['mesh', 'mesh: identity, TLS, trace, policies'],
        ['bare', 'bare undici over mutual TLS'],
      ],
      ({ perSec }) => perSec,
    ),
    {
      ...{ kind: 'rows', title: '99th percentile of calls that do not need C', unit: 'ms' },
      rows: runs.filter(({ name }) => name.startsWith('near')).map(({ name, p99Ms }) => ({ name, value: p99Ms })),
      ...(bars[1] ? { rule: 'below' } : {}),
    },
  ],
  memory: ({ bars, details }) => {
    const readings = details['readings'] as readonly { name: string; rssMbMax: number }[];
    const most = new Map<string, number>();
    for (const { name, rssMbMax } of readings) most.set(name, Math.max(most.get(name) ?? 0, rssMbMax));
    return [
      {
        ...{ kind: 'rows', title: 'resident memory at most, without PostgreSQL', unit: 'MB' },
        rows: [...most].map(([name, value]) => ({ name: name.replace('loaded@', 'clients: '), value })),
        ...(bars[0] ? { limit: bars[0].limit } : {}),
      },
    ];
  },
};

function columns(
  title: string,
  runs: readonly Run[],
  shown: readonly (readonly [name: string, label: string])[],
  value: (run: Run) => number,
): ColumnsPanel {
  const counts = [...new Set(runs.map(({ clients }) => clients))].sort((a, b) => a - b);
  const valueAt = (name: string, count: number) => {
    const run = runs.find((each) => each.name === name && each.clients === count);
    return run ? value(run) : Number.NaN;
  };
  return {
    kind: 'columns',
    title,
    groups: counts.map((count) => (count === 1 ? '1 client' : `${count} clients`)),
    series: shown.map(([name, label]) => ({ name: label, values: counts.map((count) => valueAt(name, count)) })),
  };
}
