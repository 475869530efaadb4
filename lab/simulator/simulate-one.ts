import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { styleText } from 'node:util';
import { type Evidence, writeHistory } from '#lab/checkers';
import { bugNamed } from './bugs/index.ts';
import { planOf } from './conditions.ts';
import { prepareImages } from './images.ts';
import { minimise } from './minimise.ts';
import type { Plan } from './plan.ts';
import { failureText, transcript } from './report.ts';
import { type RunResult, runSeed } from './run.ts';
import { replayOf, type SimulateOptions, type SimulateScreen, simulateExitCodes } from './simulate-options.ts';
import { spaceTimePage } from './space-time/page.ts';

/** One seed, looked at closely. */
export async function simulateOne(options: SimulateOptions, seed: number, screen: SimulateScreen): Promise<number> {
  const images = await prepareImages();
  const bug = options.bug === undefined ? undefined : bugNamed(options.bug);
  const planted = bug ? { bug } : {};
  let plan: Plan = planOf(seed, bug?.conditions);
  let evidence: Evidence = { operations: [] };
  const onEvidence = (all: Evidence) => {
    evidence = all;
  };
  const first = await runSeed({ seed, plan, images, keepTrace: options.trace === true, onEvidence, ...planted });
  let last: RunResult = first;
  if (options.minimise && first.violations.length > 0) {
    const onProgress = (smaller: Plan, runs: number) =>
      screen.progress(
        `${runs} runs: ${smaller.operations.length} operations, ${smaller.nemesis.length} faults planned`,
      );
    ({ plan } = await minimise({ plan, images, ...planted, onProgress }));
    last = await runSeed({ seed, plan, images, keepTrace: true, onEvidence, ...planted });
  }
  screen.progress('');
  const replay = replayOf(seed, options.bug);
  if (options.json) {
    const { digest, violations, faults, checks, orders } = last;
    screen.out(JSON.stringify({ seed, digest, violations, faults, checks, orders, plan }));
  } else printOne(options, last, replay, screen);
  if (options.trace || options.minimise) await writePage(options, plan, last, replay, screen);
  if (options.history !== undefined) await writeHistoryFile(options.history, evidence, replay, options, screen);
  return first.violations.length === 0 ? simulateExitCodes.ok : simulateExitCodes.checkFailed;
}

/** What the checkers looked at, for `holdfast check` and for anybody who would judge it by other means. */
async function writeHistoryFile(
  file: string,
  evidence: Evidence,
  source: string,
  { json }: SimulateOptions,
  { out }: SimulateScreen,
): Promise<void> {
  await writeFile(
    file,
    Readable.from(writeHistory(evidence, source)).map((line) => `${line}\n`),
  );
  if (!json) out(`History: ${file} (npx holdfast check ${file})`);
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
    spaceTimePage({ ...titlesOf(seed, options.bug), replay, plan, violations, faults, checks, events: trace }),
  );
  if (!options.json) screen.out(`Space-time diagram: ${page}`);
}

function titlesOf(seed: number, bugName: string | undefined): { readonly title: string; readonly subtitle?: string } {
  const bug = bugName === undefined ? undefined : bugNamed(bugName);
  return { title: `Seed ${seed}`, ...(bug ? { subtitle: `Planted bug ${bug.name}: ${bug.summary}.` } : {}) };
}
