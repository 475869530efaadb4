import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isProblem } from '#kit/contract';
import { systemWorld, type World } from '#kit/runtime';
import {
  createHttpShop,
  createProgress,
  type HttpShop,
  InputFileError,
  type Progress,
  type ReplayProgress,
  type ReplayResult,
  ReplayStateError,
  readRows,
  replay,
  ShopError,
  ShopUnavailable,
} from '#lab/replay';
import { pickDataDir } from './data-dir.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { createLog, logLevel } from './log.ts';
import { type Reached, reach } from './reach.ts';
import { renderReport } from './replay-report.ts';
import { createScreen, type Screen } from './screen.ts';

const interrupted = 'Interrupted: the same command goes on where this one was.';

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
  await lookFirst(async () => {
    requireApart(options.rejects, paths);
    for (const path of paths) await requireInvoices(path);
  });
  return withShop(options, async (visit) => tell(await replayInvoices(paths, options, visit), screen, visit));
}

/** What can't be read is said before a shop is looked for, or started. */
export async function lookFirst<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw failureOf(error);
  }
}

async function requireInvoices(path: string): Promise<void> {
  const rows = readRows(path);
  await rows.next();
  await rows.return(undefined);
}

/** The file of rejects is replaced, so it may be none that is to be read. */
export function requireApart(rejects: string | undefined, inputs: readonly string[]): void {
  if (rejects === undefined) return;
  const folder = dirname(resolve(rejects));
  if (!isFolder(folder)) throw misuse(`There is no folder ${folder}: make it, or name another file with --rejects.`);
  if (isFolder(rejects)) throw misuse(`${rejects} is a directory: name a file with --rejects.`);
  const twin = inputs.find((input) => realPath(input) === realPath(rejects));
  if (twin !== undefined) {
    throw misuse(`${rejects} is to be read, and --rejects would replace it: name another file.`);
  }
}

const misuse = (sentence: string) => new Failure(exitCodes.usage, sentence);
const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It is still to be made, or can't be read, which is said elsewhere.
    return resolve(path);
  }
}

/** What a command has that talks to a shop. */
export interface Visit {
  readonly shop: HttpShop;
  readonly world: World;
  readonly progress: Progress;
  readonly stateDirectory: string;
  readonly rejectsPath: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Finds or starts the shop, signs in, and leaves everything as it was when the work is done. */
export async function withShop(
  options: ReplayCommandOptions,
  work: (visit: Visit) => Promise<ExitCode>,
): Promise<ExitCode> {
  const world = systemWorld(createLog(logLevel(process.env['HOLDFAST_LOG']), { process: 'replay' }));
  const { reached, stateDirectory } = await findPlace(options, world, (text) => process.stderr.write(`${text}\n`));
  const progress = createProgress({ output: process.stderr, clock: world.clock, environment: process.env });
  const interrupt = new AbortController();
  const stopListening = onSignals(interrupt, progress);
  const rejectsPath = options.rejects ?? join(stateDirectory, 'rejects.ndjson');
  const { origin, session: tokens } = reached;
  const sleep = (delayMs: number) => world.timers.sleep(delayMs);
  const shop = createHttpShop({ origin, tokens, clock: world.clock, sleep, connectionsMax: options.concurrency });
  try {
    return await work({ shop, world, progress, stateDirectory, rejectsPath, signal: interrupt.signal });
  } catch (error) {
    progress.end();
    if (interrupt.signal.aborted) throw new Failure(exitCodes.internal, interrupted, { cause: error });
    throw failureOf(error);
  } finally {
    stopListening();
    await shop.close();
    await reached.close();
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

export async function replayInvoices(
  paths: readonly string[],
  { concurrency, currency }: Pick<ReplayCommandOptions, 'concurrency' | 'currency'>,
  { progress, ...visit }: Visit,
): Promise<ReplayResult> {
  const onProgress = (state: ReplayProgress) => progress.update(progressOf(state));
  try {
    return await replay({ paths, currency, concurrency, onProgress, ...visit });
  } finally {
    progress.end();
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

export function tell(
  result: ReplayResult,
  screen: Screen,
  { rejectsPath }: Pick<Visit, 'rejectsPath'>,
  more: object = {},
): ExitCode {
  const { report, interrupted: wasInterrupted, ...run } = result;
  if (report === undefined) {
    screen.result({ ok: false, interrupted: wasInterrupted, ...run, ...more });
    screen.say(interrupted);
    return exitCodes.internal;
  }
  const rejects = report.lines.rejected > 0 ? { rejectsPath } : {};
  screen.result({ ...report, interrupted: wasInterrupted, ...run, ...rejects, ...more });
  if (!screen.isJson) screen.say(renderReport(report, { ...run, ...rejects }));
  return report.ok ? exitCodes.ok : exitCodes.checkFailed;
}

/** What the user can do something about, wherever in the chain of causes it stands. */
function failureOf(error: unknown): unknown {
  const [input] = causesOf(error).filter(
    (cause) => cause instanceof InputFileError || cause instanceof ReplayStateError,
  );
  if (input) return new Failure(exitCodes.usage, input.message, { cause: error });
  if (error instanceof ShopUnavailable) {
    const sentence = `The shop does not answer (${error.message}): when it does, the same command goes on where this one was.`;
    return new Failure(exitCodes.unavailable, sentence, { cause: error });
  }
  if (!(error instanceof ShopError)) return error;
  const isAuth = isProblem(error.cause) && error.cause.category === 'auth';
  return new Failure(isAuth ? exitCodes.auth : exitCodes.unavailable, error.message, { cause: error });
}

const causesMax = 8;

function causesOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let each = error; each instanceof Error && chain.length < causesMax; each = each.cause) chain.push(each);
  return chain;
}
