import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { systemWorld, type World } from '#kit/runtime';
import {
  createHttpShop,
  createProgress,
  InputFileError,
  type Progress,
  type ReplayProgress,
  type ReplayResult,
  ReplayStateError,
  replay,
  ShopError,
  ShopUnavailable,
} from '#lab/replay';
import { pickDataDir } from './data-dir.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { createLog, logLevel } from './log.ts';
import { type Reached, reach } from './reach.ts';
import { renderReport } from './replay-report.ts';
import { createScreen } from './screen.ts';

export interface ReplayCommandOptions {
  readonly json: boolean;
  readonly dataDir?: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly concurrency: number;
  readonly currency: string;
  readonly rejects?: string;
  /** Starts a system when none is running. */
  readonly mayStart: boolean;
}

/** Sends the files through a shop and proves that its books balance. Resolves with the exit code. */
export async function replayCommand(paths: readonly string[], options: ReplayCommandOptions): Promise<ExitCode> {
  const screen = createScreen(options.json);
  const world = systemWorld(createLog(logLevel(process.env['HOLDFAST_LOG']), { process: 'replay' }));
  const place = await findPlace(options, world, (text) => process.stderr.write(`${text}\n`));
  const progress = createProgress({ output: process.stderr, clock: world.clock, environment: process.env });
  const interrupt = new AbortController();
  const stopListening = onSignals(interrupt, progress);
  const rejectsPath = options.rejects ?? join(place.stateDirectory, 'rejects.ndjson');
  try {
    const result = await runReplay(paths, options, {
      ...place,
      world,
      progress,
      rejectsPath,
      signal: interrupt.signal,
    });
    progress.end();
    return tell(result, screen, rejectsPath);
  } catch (error) {
    progress.end();
    throw failureOf(error);
  } finally {
    stopListening();
    await place.reached.close();
  }
}

interface Place {
  readonly reached: Reached;
  readonly stateDirectory: string;
}

/** Where to replay to: what the options name, else what runs in this checkout, else a system of the replay's own. */
async function findPlace(options: ReplayCommandOptions, world: World, say: (text: string) => void): Promise<Place> {
  const { url, tokenFile, mayStart } = options;
  const common = { world, ...(tokenFile === undefined ? {} : { tokenFile }) };
  const shared = pickDataDir(options.dataDir, say);
  if (url !== undefined) {
    const reached = await reach({ ...common, url, dataDir: shared, mayStart: false });
    const name = createHash('sha256').update(reached.origin).digest('hex').slice(0, 12);
    return { reached, stateDirectory: join(shared, 'replay-state', name) };
  }
  if (options.dataDir !== undefined || !mayStart) {
    const reached = await reach({ ...common, dataDir: shared, mayStart });
    return { reached, stateDirectory: join(shared, 'replay-state') };
  }
  const running = await reach({ ...common, dataDir: shared, mayStart: false }).catch(isAbsent);
  if (running) return { reached: running, stateDirectory: join(shared, 'replay-state') };
  const own = pickDataDir(undefined, say, 'replay');
  say(`No Holdfast is running here, so one is started for the replay. Data: ${own}`);
  const reached = await reach({ ...common, dataDir: own, mayStart: true });
  return { reached, stateDirectory: join(own, 'replay-state') };
}

function isAbsent(error: unknown): undefined {
  if (error instanceof Failure && error.exitCode === exitCodes.unavailable) return undefined;
  throw error;
}

interface Run extends Place {
  readonly world: World;
  readonly progress: Progress;
  readonly rejectsPath: string;
  readonly signal: AbortSignal;
}

async function runReplay(
  paths: readonly string[],
  { concurrency, currency }: ReplayCommandOptions,
  { reached, stateDirectory, world, progress, rejectsPath, signal }: Run,
): Promise<ReplayResult> {
  const { origin, session: tokens } = reached;
  const sleep = (delayMs: number) => world.timers.sleep(delayMs);
  const shop = createHttpShop({ origin, tokens, clock: world.clock, sleep, connectionsMax: concurrency });
  const onProgress = (state: ReplayProgress) => progress.update(progressOf(state));
  try {
    const state = { stateDirectory, rejectsPath };
    return await replay({ paths, shop, world, currency, concurrency, signal, onProgress, ...state });
  } finally {
    await shop.close();
  }
}

function progressOf({ phase, linesDone, linesTotal, orders, rejects }: ReplayProgress) {
  const note = phase === 'reading' ? {} : { note: `${orders.toLocaleString('en-US')} orders, ${rejects} rejected` };
  return { label: phase, done: linesDone, total: linesTotal, unit: 'lines', ...note };
}

/** The first signal stops cleanly, a second one at once: neither loses or doubles anything. */
function onSignals(interrupt: AbortController, progress: Progress): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const ask = () => {
    if (interrupt.signal.aborted) process.exit(exitCodes.internal);
    progress.end();
    process.stderr.write('Stopping: what is under way ends first; once more to leave at once.\n');
    interrupt.abort();
  };
  for (const signal of signals) process.on(signal, ask);
  return () => {
    for (const signal of signals) process.off(signal, ask);
  };
}

function tell(result: ReplayResult, screen: ReturnType<typeof createScreen>, rejectsPath: string): ExitCode {
  const { report, interrupted, ...run } = result;
  if (report === undefined) {
    screen.result({ ok: false, interrupted, ...run });
    screen.say('Interrupted: the same command goes on where this one was.');
    return exitCodes.internal;
  }
  const rejects = report.lines.rejected > 0 ? { rejectsPath } : {};
  screen.result({ ...report, interrupted, ...run, ...rejects });
  if (!screen.isJson) screen.say(renderReport(report, { ...run, ...rejects }));
  return report.ok ? exitCodes.ok : exitCodes.checkFailed;
}

function failureOf(error: unknown): unknown {
  if (error instanceof InputFileError || error instanceof ReplayStateError) {
    return new Failure(exitCodes.usage, error.message, { cause: error });
  }
  if (error instanceof ShopUnavailable) {
    return new Failure(exitCodes.unavailable, `${error.message}. The same command goes on where this one was.`, {
      cause: error,
    });
  }
  if (error instanceof ShopError) return new Failure(exitCodes.auth, error.message, { cause: error });
  return error;
}
