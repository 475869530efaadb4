import { parseArgs } from 'node:util';
import { exitCodes, Failure } from '../../cli/failure.ts';

export const benchNames = [
  'checkout',
  'rush',
  'saga',
  'messaging',
  'search',
  'memory',
  'checkers',
  'mesh',
  'limits',
  'gateway',
  'shop',
] as const;
export type BenchName = (typeof benchNames)[number];

export interface BenchOptions {
  readonly names: readonly BenchName[];
  readonly json: boolean;
  /** End with code 5 when a bar is missed. */
  readonly check: boolean;
  /** Clients at a time, one figure for each. Default: the benchmark's own. */
  readonly clients: readonly number[] | undefined;
  readonly rounds: number;
  /** Length of one measurement, after its warm-up. */
  readonly measureMs: number;
  /** Orders, or workflows, that are there before the first measurement. */
  readonly prefill: number;
  /** Of the benchmark `checkout`: lines of every order but the short ones. Default: as a real shop's orders have them. */
  readonly lines: number | undefined;
  /** Products of the search benchmark. */
  readonly products: number;
  /** Of the benchmark `shop`, as for `holdfast up`. */
  readonly topology: string;
  /** Of the benchmark `shop`: the drills whose names hold this. Default: all. */
  readonly only: string | undefined;
  /** Where the JSON documents and the charts go. */
  readonly outDir: string;
  /** Where CPU profiles and PostgreSQL's statements go; undefined: none are taken. */
  readonly profileDir: string | undefined;
}

export const usage = `Usage: npm run -s bench -- ${benchNames.join('|')}|all [options]

  --clients 1,8,32,128   how many clients at a time; one figure for each (of rush: buyers, default 200)
  --rounds N             measurements of each figure; the median is reported (default 3)
  --seconds S            length of a measurement (default 3)
  --prefill N            orders or workflows that are there before it begins; of memory, the orders of its long run (default 20000)
  --lines N              of checkout: every order has so many lines (default: as many as the orders of a real shop)
  --products N           size of the catalogue for search (default 50000)
  --topology NAME|FILE   what shop starts and breaks (default shop)
  --only TEXT            of shop: the drills whose names hold this, like rolling, kill edge, overload
  --out DIR              where the JSON document and the chart go (default lab/results)
  --profile DIR          one round more of checkout with a CPU profile and PostgreSQL's statements, kept there
  --check                end with code 5 when a bar is missed
  --json                 one JSON document on stdout instead of a table`;

const spec = {
  json: { type: 'boolean', default: false },
  check: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  clients: { type: 'string' },
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '3' },
  prefill: { type: 'string', default: '20000' },
  lines: { type: 'string' },
  products: { type: 'string', default: '50000' },
  topology: { type: 'string', default: 'shop' },
  only: { type: 'string' },
  out: { type: 'string' },
  profile: { type: 'string' },
} as const;

/** What the command line asks for, or `help`. Throws a `Failure` that says what is wrong in one sentence. */
export function readOptions(
  args: readonly string[],
  defaults: { readonly outDir: string; readonly profileDir: string | undefined },
): BenchOptions | 'help' {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  return {
    names: namesFrom(positionals),
    json: values.json,
    check: values.check,
    clients: values.clients === undefined ? undefined : clientsFrom(values.clients),
    rounds: numberFrom('rounds', values.rounds, { min: 1, max: 99, whole: true }),
    measureMs: 1_000 * numberFrom('seconds', values.seconds, { min: 0.1, max: 3_600 }),
    prefill: numberFrom('prefill', values.prefill, { min: 0, max: 10_000_000, whole: true }),
    lines:
      values.lines === undefined ? undefined : numberFrom('lines', values.lines, { min: 1, max: 100, whole: true }),
    products: numberFrom('products', values.products, { min: 100, max: 10_000_000, whole: true }),
    topology: values.topology,
    only: values.only,
    outDir: values.out ?? defaults.outDir,
    profileDir: values.profile ?? defaults.profileDir,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: spec });
  } catch (error) {
    throw misuse((error as Error).message.replace(/\.\s.*$/s, ''));
  }
}

function namesFrom(positionals: readonly string[]): readonly BenchName[] {
  if (positionals.length !== 1) {
    throw misuse(
      positionals.length === 0 ? 'No benchmark is named' : `One benchmark at a time: ${positionals.join(' ')}`,
    );
  }
  const [name = ''] = positionals;
  if (name === 'all') return benchNames;
  const known = benchNames.find((each) => each === name);
  if (!known) throw misuse(`There is no benchmark "${name}"`);
  return [known];
}

const clientsMax = 1_000;

function clientsFrom(text: string): readonly number[] {
  const counts = text.split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count >= 1 && count <= clientsMax)) {
    return [...new Set(counts)].sort((a, b) => a - b);
  }
  throw misuse(`--clients ${text} is not a list of whole numbers from 1 to ${clientsMax}, like 1,8,32`);
}

function numberFrom(name: string, text: string, range: { min: number; max: number; whole?: boolean }): number {
  const value = Number(text);
  const { min, max, whole = false } = range;
  if (text.trim() !== '' && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  throw misuse(`--${name} ${text} is not a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
}

function misuse(what: string): Failure {
  return new Failure(
    exitCodes.usage,
    `${what}: give one of ${benchNames.join(', ')} or all; --help lists the options.`,
  );
}
