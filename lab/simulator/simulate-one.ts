import { writeFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import { bugNamed } from './bugs/index.ts';
import { prepareImages } from './images.ts';
import { minimise } from './minimise.ts';
import { drawPlan, type Plan } from './plan.ts';
import { failureText, transcript } from './report.ts';
import { type RunResult, runSeed } from './run.ts';
import { replayOf, type SimulateOptions, type SimulateScreen, simulateExitCodes } from './simulate-options.ts';
import { spaceTimePage } from './space-time/page.ts';

/** One seed, looked at closely. */
export async function simulateOne(options: SimulateOptions, seed: number, screen: SimulateScreen): Promise<number> {
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
  screen.progress('');
  const replay = replayOf(seed, options.bug);
  if (options.json) {
    const { digest, violations, faults, checks, orders } = last;
    screen.out(JSON.stringify({ seed, digest, violations, faults, checks, orders, plan }));
  } else printOne(options, last, replay, screen);
  if (options.trace || options.minimise) await writePage(options, plan, last, replay, screen);
  return first.violations.length === 0 ? simulateExitCodes.ok : simulateExitCodes.checkFailed;
}

function printOne(options: SimulateOptions, result: RunResult, replay: string, { out }: SimulateScreen): void {
  const { seed, digest, eventCount, statementCount, violations, trace } = result;
  if (options.trace) out(transcript(trace.filter(({ kind }) => kind !== 'check')));
  out(`seed ${seed}: digest ${digest}, ${eventCount} events, ${statementCount} SQL statements`);
  if (options.minimise && violations.length > 0) out(`\n${failureText(result, replay)}`);
  else for (const { check, detail } of violations) out(`${styleText('red', 'violated')} ${check}: ${detail}`);
  if (violations.length > 0 && !options.minimise) out(`Replay: ${replay}`);
}

async function writePage(
  options: SimulateOptions,
  plan: Plan,
  { seed, trace, violations, faults, checks }: RunResult,
  replay: string,
  screen: SimulateScreen,
): Promise<void> {
  const page = options.page ?? `simulation-${seed}.html`;
  await writeFile(
    page,
    spaceTimePage({ title: `Seed ${seed}`, replay, plan, violations, faults, checks, events: trace }),
  );
  if (!options.json) screen.out(`Space-time diagram: ${page}`);
}
