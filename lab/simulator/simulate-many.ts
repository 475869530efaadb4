import assert from 'node:assert/strict';
import { bugNamed } from './bugs/index.ts';
import { planOf } from './conditions.ts';
import { prepareImages } from './images.ts';
import { minimise } from './minimise.ts';
import { failureText, isFailure, reportText } from './report.ts';
import { runSeed } from './run.ts';
import { runSeeds, type SeedsResult } from './runner.ts';
import {
  parseDuration,
  parseRange,
  replayOf,
  type SimulateOptions,
  type SimulateScreen,
  simulateExitCodes,
} from './simulate-options.ts';

/** Runs that making the first failing seed smaller may cost. */
const minimiseRunsMax = 60;

/** A range of seeds, or as many as a time allows, on all cores. */
export async function simulateMany(options: SimulateOptions, screen: SimulateScreen): Promise<number> {
  const range = parseRange(options.seeds ?? '1..50');
  assert(range, 'looked at before (mistakeIn)');
  const limitMs = options.for === undefined ? undefined : parseDuration(options.for);
  let count = 0;
  let failures = 0;
  const total = range.to - range.from + 1;
  const result = await runSeeds({
    from: range.from,
    ...(limitMs === undefined || options.seeds !== undefined ? { to: range.to } : {}),
    ...(limitMs === undefined ? {} : { isOver: () => screen.elapsedMs() > limitMs }),
    ...(options.bug === undefined ? {} : { bug: options.bug, stopAtFailure: true }),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    onResult(run) {
      count += 1;
      if (run.violations.length > 0) failures += 1;
      const elapsedMs = screen.elapsedMs();
      const share = limitMs === undefined ? count / total : elapsedMs / limitMs;
      screen.progress(progressText(share, count, failures, elapsedMs));
    },
  });
  const wallMs = screen.elapsedMs();
  screen.progress('');
  if (options.json) screen.out(JSON.stringify(jsonOf(result, wallMs)));
  else {
    screen.out(reportText(result, wallMs));
    const [first] = result.failed;
    if (first) screen.out(`\n${await explainSeed(first.seed, options.bug, screen)}`);
  }
  return isFailure(result) ? simulateExitCodes.checkFailed : simulateExitCodes.ok;
}

const barWidth = 24;

function progressText(share: number, count: number, failures: number, elapsedMs: number): string {
  const full = Math.min(barWidth, Math.round(share * barWidth));
  const bar = `${'█'.repeat(full)}${'░'.repeat(barWidth - full)}`;
  const rate = Math.round((count / elapsedMs) * 60_000);
  return `${bar} ${Math.min(100, Math.floor(share * 100))} % · ${count} seeds · ${rate} a minute · ${failures} failed`;
}

/** A stable interface: scripts read it. */
function jsonOf({ seeds, failed, digest, faults, checks, events, simulatedMs }: SeedsResult, wallMs: number): object {
  return {
    seeds,
    failed,
    digest,
    faults,
    checks,
    eventsPerSec: Math.round((events / wallMs) * 1000),
    simulatedPerWall: Math.round((simulatedMs / wallMs) * 10) / 10,
  };
}

/** What was violated, the shortest trace that was found, and the command that replays it. */
async function explainSeed(seed: number, bugName: string | undefined, screen: SimulateScreen): Promise<string> {
  const planted = bugName === undefined ? undefined : bugNamed(bugName);
  const bug = planted ? { bug: planted } : {};
  screen.progress(`making seed ${seed} smaller`);
  const images = await prepareImages();
  const { plan } = await minimise({
    plan: planOf(seed, planted?.conditions),
    images,
    ...bug,
    runsMax: minimiseRunsMax,
    onProgress: (_, runs) => screen.progress(`making seed ${seed} smaller: ${runs} runs of ${minimiseRunsMax}`),
  });
  const result = await runSeed({ seed, plan, images, ...bug, keepTrace: true });
  screen.progress('');
  return failureText(result, replayOf(seed, bugName));
}
