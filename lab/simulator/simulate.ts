import { writeFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import { bugNamed, bugs } from './bugs/index.ts';
import { prepareImages } from './images.ts';
import { minimise } from './minimise.ts';
import { drawPlan, type Plan } from './plan.ts';
import { reportText, transcript } from './report.ts';
import { type RunResult, runSeed } from './run.ts';
import { runSeeds, type SeedsResult } from './runner.ts';
import { spaceTimePage } from './space-time.ts';

export interface SimulateOptions {
  /** `1..200`. Default `1..50`. */
  readonly seeds?: string;
  /** One seed, in this process. */
  readonly seed?: number;
  /** `10m`, `90s`: as many seeds as that allows, from the first of `seeds` on. */
  readonly for?: string;
  /** With `seed`: prints a transcript and writes a page with a space-time diagram. */
  readonly trace?: boolean;
  /** Where the page goes. Default `simulation-<seed>.html`. */
  readonly page?: string;
  /** With `seed`: looks for the smallest run that still fails. */
  readonly minimise?: boolean;
  readonly bug?: string;
  readonly listBugs?: boolean;
  readonly workers?: number;
  readonly json?: boolean;
}

/** Where it prints, and what time it is for people. */
export interface SimulateScreen {
  readonly out: (text: string) => void;
  /** Progress, which is no part of the result. */
  readonly progress: (text: string) => void;
  readonly elapsedMs: () => number;
}

export const simulateExitCodes = { ok: 0, usage: 2, checkFailed: 5 } as const;

/** `holdfast simulate`: returns the exit code. */
export async function simulate(options: SimulateOptions, screen: SimulateScreen): Promise<number> {
  if (options.listBugs) return listBugs(options, screen);
  if (options.bug !== undefined && !bugNamed(options.bug)) {
    screen.out(`There is no planted bug ${options.bug}; --list-bugs names them all.`);
    return simulateExitCodes.usage;
  }
  return options.seed === undefined ? simulateMany(options, screen) : simulateOne(options, options.seed, screen);
}

function listBugs({ json }: SimulateOptions, { out }: SimulateScreen): number {
  if (json) out(JSON.stringify(bugs.map(({ name, summary, seedsMax }) => ({ name, summary, seedsMax }))));
  else for (const { name, summary } of bugs) out(`${name.padEnd(26)} ${summary}`);
  return simulateExitCodes.ok;
}

async function simulateMany(options: SimulateOptions, screen: SimulateScreen): Promise<number> {
  const range = parseRange(options.seeds ?? '1..50');
  const limitMs = options.for === undefined ? undefined : parseDuration(options.for);
  if (!range || Number.isNaN(limitMs)) {
    screen.out('Give seeds as 1..200 and a duration as 90s, 10m or 1h.');
    return simulateExitCodes.usage;
  }
  let count = 0;
  let failures = 0;
  const result = await runSeeds({
    from: range.from,
    ...(limitMs === undefined || options.seeds !== undefined ? { to: range.to } : {}),
    ...(limitMs === undefined ? {} : { isOver: () => screen.elapsedMs() > limitMs }),
    ...(options.bug === undefined ? {} : { bug: options.bug, stopAtFailure: true }),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    onResult(run) {
      count += 1;
      if (run.violations.length > 0) failures += 1;
      screen.progress(progressText(count, failures, screen.elapsedMs(), range.to - range.from + 1, limitMs));
    },
  });
  const wallMs = screen.elapsedMs();
  if (options.json) screen.out(JSON.stringify(jsonOf(result, wallMs)));
  else screen.out(`${reportText(result, wallMs)}${replayHints(result, options.bug)}`);
  const shown = Object.keys(result.faults).length > 0;
  return result.failed.length === 0 && shown ? simulateExitCodes.ok : simulateExitCodes.checkFailed;
}

function progressText(
  count: number,
  failures: number,
  elapsedMs: number,
  total: number,
  limitMs: number | undefined,
): string {
  const share = limitMs === undefined ? count / total : elapsedMs / limitMs;
  const width = 24;
  const full = Math.min(width, Math.round(share * width));
  const bar = `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
  return `${bar} ${count} seeds, ${Math.round((count / elapsedMs) * 60_000)} a minute, ${failures} failed`;
}

function jsonOf(result: SeedsResult, wallMs: number): object {
  const { seeds, failed, digest, faults, checks, orders, events, statements, simulatedMs } = result;
  return {
    seeds,
    failed,
    digest,
    faults,
    checks,
    orders,
    statements,
    eventsPerSec: Math.round((events / wallMs) * 1000),
    simulatedPerWall: Math.round((simulatedMs / wallMs) * 10) / 10,
  };
}

function replayHints(result: SeedsResult, bug: string | undefined): string {
  const [first] = result.failed;
  return first
    ? `\n\nReplay:   ${replayOf(first.seed, bug)} --trace\nMinimise: ${replayOf(first.seed, bug)} --minimise`
    : '';
}

const replayOf = (seed: number, bug: string | undefined): string =>
  `holdfast simulate --seed ${seed}${bug === undefined ? '' : ` --bug ${bug}`}`;

async function simulateOne(options: SimulateOptions, seed: number, screen: SimulateScreen): Promise<number> {
  const images = await prepareImages();
  const bug = options.bug === undefined ? undefined : bugNamed(options.bug);
  const planted = bug ? { bug } : {};
  let plan: Plan = drawPlan(seed);
  const first = await runSeed({ seed, plan, images, keepTrace: options.trace === true, ...planted });
  let last: RunResult = first;
  if (options.minimise && first.violations.length > 0) {
    const onProgress = (smaller: Plan, runs: number) =>
      screen.progress(
        `${runs} runs: ${smaller.operations.length} operations, ${smaller.nemesis.length} faults planned`,
      );
    ({ plan } = await minimise({ plan, images, ...planted, onProgress }));
    last = await runSeed({ seed, plan, images, keepTrace: true, ...planted });
  }
  const replay = replayOf(seed, options.bug);
  if (options.trace || options.minimise) await showTrace(options, seed, plan, last, replay, screen);
  const { digest, violations, faults, checks, orders } = last;
  if (options.json) screen.out(JSON.stringify({ seed, digest, violations, faults, checks, orders, plan }));
  else {
    screen.out(`seed ${seed}: digest ${digest}, ${last.eventCount} events, ${last.statementCount} SQL statements`);
    for (const { check, detail } of violations) screen.out(`${styleText('red', 'violated')} ${check}: ${detail}`);
    if (violations.length > 0) screen.out(`Replay: ${replay} --trace`);
  }
  return first.violations.length === 0 ? simulateExitCodes.ok : simulateExitCodes.checkFailed;
}

async function showTrace(
  options: SimulateOptions,
  seed: number,
  plan: Plan,
  { trace, violations }: RunResult,
  replay: string,
  screen: SimulateScreen,
): Promise<void> {
  const page = options.page ?? `simulation-${seed}.html`;
  await writeFile(page, spaceTimePage({ title: `Seed ${seed}`, replay, plan, violations, events: trace }));
  if (!options.json) screen.out(transcript(trace.filter(({ kind }) => kind !== 'check')));
  screen.progress(`space-time diagram: ${page}`);
}

/** Undefined when it is none. */
export function parseRange(text: string): { readonly from: number; readonly to: number } | undefined {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  if (!match) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return to >= from ? { from, to } : undefined;
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** NaN when it is none. */
export function parseDuration(text: string): number {
  const match = /^(\d+)([smh])$/.exec(text);
  return match ? Number(match[1]) * (unitsMs[match[2] as string] as number) : Number.NaN;
}
