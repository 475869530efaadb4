import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '#kit/runtime';
import { exitCodes, Failure } from '../../cli/failure.ts';
import { loadTopology } from '../../cli/topology.ts';
import { writeHistory } from '../checkers/index.ts';
import { parseDuration } from './duration.ts';
import type { Fault } from './faults/fault.ts';
import { faults as allFaults } from './faults/index.ts';
import { plantedBugs } from './planted-bugs.ts';
import { reportPage } from './report/page.ts';
import { faultTotals, jsonOf, listText, reportText, scheduleText, table } from './report/text.ts';
import { type ChaosResult, planChaos, runChaos } from './run.ts';
import { chooseFaults, type Skipped, scenarios } from './scenarios.ts';
import type { Status } from './status.ts';

export interface ChaosCommandOptions {
  /** A scenario (`random`), a class (`network`), or faults by name, `kill,partition`. */
  readonly scenario: string;
  readonly seed: number;
  /** `60s`, `10m`. */
  readonly for: string;
  readonly topology: string;
  readonly clients?: number;
  readonly bug?: string;
  /** Faults that need more than a plain user has, where the machine allows them. */
  readonly privileged?: boolean;
  /** Prints the schedule and starts nothing. */
  readonly plan?: boolean;
  readonly list?: boolean;
  readonly listBugs?: boolean;
  readonly json?: boolean;
  /** Folder of the report. */
  readonly report: string;
  /** Ends the run early: all is healed and stopped. */
  readonly signal?: AbortSignal;
}

export interface ChaosScreen {
  readonly out: (text: string) => void;
  /** A line of what happens, which is no part of the result. */
  readonly say: (text: string) => void;
  /** Where it stands, a few times a second. */
  readonly show: (status: Status) => void;
}

const forMsMax = 24 * 3_600_000;

/** `holdfast chaos`: returns the exit code. Throws a `Failure` when something asked for is not there. */
export async function chaos(options: ChaosCommandOptions, screen: ChaosScreen, world: World): Promise<number> {
  if (options.list) {
    const list = { scenarios, faults: allFaults.map(listed) };
    screen.out(options.json ? JSON.stringify(list) : listText(scenarios, allFaults));
    return exitCodes.ok;
  }
  if (options.listBugs) {
    const list = Object.entries(plantedBugs).map(([name, { does }]) => ({ name, summary: does }));
    screen.out(
      options.json
        ? JSON.stringify(list)
        : table(
            ['bug', 'what it does'],
            list.map((bug) => [bug.name, bug.summary]),
          ).join('\n'),
    );
    return exitCodes.ok;
  }
  const forMs = parseDuration(options.for);
  if (!(forMs > 0 && forMs <= forMsMax)) {
    throw mistake(`"${options.for}" is no duration: give --for as 60s, 10m or 1h, at most 24h.`);
  }
  if (options.bug !== undefined && !plantedBugs[options.bug]) {
    throw mistake(`There is no planted bug ${options.bug}: give one of ${Object.keys(plantedBugs).join(', ')}.`);
  }
  const chosen = chooseFaults(allFaults, options.scenario, options.privileged ?? false);
  if ('mistake' in chosen) throw mistake(chosen.mistake);
  const { seed, clients, bug, signal } = options;
  const run = {
    seed,
    forMs,
    topology: loadTopology(options.topology),
    faults: chosen.faults,
    world,
    ...(clients === undefined ? {} : { clients }),
    ...(bug === undefined ? {} : { bug }),
    ...(signal ? { signal } : {}),
    onProgress: screen.say,
    onStatus: screen.show,
  };
  if (options.plan) {
    const schedule = planChaos(run);
    screen.out(options.json ? JSON.stringify(schedule) : scheduleText(schedule));
    return exitCodes.ok;
  }
  const result = await runChaos(run);
  const replay = replayOf(options);
  const folder = await writeReport(options, result, chosen.skipped, replay);
  if (options.json) screen.out(JSON.stringify({ ...jsonOf(result, chosen.skipped), report: folder, replay }));
  else screen.out(`${reportText(result, chosen.skipped)}\n\nReport: ${join(folder, 'index.html')}\nAgain:  ${replay}`);
  return result.ok ? exitCodes.ok : exitCodes.checkFailed;
}

const mistake = (sentence: string): Failure => new Failure(exitCodes.usage, sentence);

function listed({ name, class: of, does, privileged, missing }: Fault): object {
  const why = missing?.();
  return { name, class: of, does, privileged: privileged ?? false, ...(why === undefined ? {} : { skipped: why }) };
}

/** The same faults at the same times. What the processes make of them is not the same to the last byte. */
function replayOf(options: ChaosCommandOptions): string {
  const { scenario, seed, for: duration, topology, clients, bug, privileged } = options;
  const extras = [
    clients === undefined ? '' : `--clients ${clients}`,
    privileged ? '--privileged' : '',
    bug === undefined ? '' : `--bug ${bug}`,
  ].filter(Boolean);
  return [`holdfast chaos ${scenario} --seed ${seed} --for ${duration} --topology ${topology}`, ...extras].join(' ');
}

async function writeReport(
  options: ChaosCommandOptions,
  result: ChaosResult,
  skipped: readonly Skipped[],
  replay: string,
): Promise<string> {
  const name = `chaos-${options.scenario.replaceAll(/[^a-z0-9-]+/g, '-')}-${options.seed}`;
  const folder = join(options.report, name);
  await mkdir(folder, { recursive: true });
  const report = { ...jsonOf(result, skipped), replay, injected: result.faults, totals: faultTotals(result.faults) };
  await writeFile(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'index.html'), reportPage({ result, skipped, known: allFaults, replay }));
  if (result.evidence) {
    const lines = [...writeHistory(result.evidence, replay)].map((line) => `${line}\n`);
    await writeFile(join(folder, 'history.ndjson'), lines.join(''));
  }
  return folder;
}
