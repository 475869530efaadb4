import { join } from 'node:path';
import { type Logger, systemWorld } from '#kit/runtime';
import { type ChaosCommandOptions, chaos, type Status, statusText, type VerifyResult, verifyBooks } from '#lab/chaos';
import { pickDataDir } from './data-dir.ts';
import { exitCodes, Failure } from './failure.ts';
import { createLog, logLevel } from './log.ts';
import { writableFolder } from './out-file.ts';
import { createScreen } from './screen.ts';

/** What is killed on purpose is told as progress; the supervisor's own words about it would only repeat that. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** Runs the fault laboratory for the terminal. Resolves with the exit code: 0, or 5 when a check failed. */
export function runChaosCommand(options: Omit<ChaosCommandOptions, 'report'> & { report?: string }): Promise<number> {
  const startedMs = performance.now();
  const ownReport = () =>
    join(
      pickDataDir(undefined, () => {}),
      'report',
    );
  const report = writableFolder(options.report ?? ownReport(), '--report');
  const elapsed = () => `${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  `;
  const line = createLiveLine(process.stderr);
  const level = process.env['HOLDFAST_LOG'];
  const log = level === undefined ? silent : createLog(logLevel(level), { process: 'chaos' });
  const out = (text: string) => void process.stdout.write(`${text}\n`);
  const screen = {
    out,
    say: (text: string) => line.say(elapsed() + text),
    show: (status: Status) => line.show(elapsed() + statusText(status)),
  };
  const interrupt = new AbortController();
  const stopListening = onInterrupt((signal) => {
    line.say(`${elapsed()}${signal}: healing and stopping; once more ends at once`);
    interrupt.abort(new Failure(exitCodes.internal, `Interrupted by ${signal}: everything is healed and stopped.`));
  });
  return chaos({ ...options, report, signal: interrupt.signal }, screen, systemWorld(log)).finally(() => {
    stopListening();
    line.end();
  });
}

/** The first signal is told, the next one does what it always does. */
function onInterrupt(tell: (signal: NodeJS.Signals) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const stop = () => {
    for (const signal of signals) process.off(signal, heard);
  };
  const heard = (signal: NodeJS.Signals) => {
    stop();
    tell(signal);
  };
  for (const signal of signals) process.on(signal, heard);
  return stop;
}

/** A line that stands below all others and changes, on a terminal; elsewhere there is none. */
function createLiveLine(stream: NodeJS.WriteStream) {
  let shown = '';
  const draw = (text: string) => {
    if (stream.isTTY) stream.write(`\r\x1b[2K${text.slice(0, stream.columns - 1)}`);
  };
  return {
    say(text: string) {
      draw('');
      stream.write(`${text}\n`);
      draw(shown);
    },
    show(text: string) {
      shown = text;
      draw(text);
    },
    end() {
      shown = '';
      draw('');
    },
  };
}

export interface VerifyCommandOptions {
  readonly dataDir?: string;
  readonly json: boolean;
}

/** Checks the books of a data directory. Resolves with 0, or 5 when something does not hold. */
export async function verifyCommand({ dataDir, json }: VerifyCommandOptions): Promise<number> {
  const screen = createScreen(json);
  const world = systemWorld(createLog(logLevel(process.env['HOLDFAST_LOG']), { process: 'verify' }));
  const result = await verifyBooks({ dataDir: pickDataDir(dataDir, (why) => screen.say(why)) }, world);
  screen.result({ ...result });
  screen.say(verifyText(result));
  return result.ok ? exitCodes.ok : exitCodes.checkFailed;
}

function verifyText({ dataDir, running, orders, checks, violations, ok }: VerifyResult): string {
  const states = Object.entries(orders).map(([state, count]) => `${count} ${state}`);
  return [
    `Books of ${dataDir}${running ? ', which is running' : ''}: orders ${states.join(', ') || 'none'}`,
    ...Object.entries(checks).map(([name, count]) => `  ${name.padEnd(34)} ${count}`),
    ...violations.map(({ guarantee, detail }) => `violated ${guarantee}: ${detail}`),
    ok ? 'Everything holds.' : `${violations.length} violations.`,
  ].join('\n');
}
