import { request } from 'undici';
import { systemClock, systemTimers } from '#kit/runtime';
import { type Announced, announced, isAlive } from '../announce.ts';
import { pickDataDir } from '../data-dir.ts';
import { type ExitCode, exitCodes, Failure } from '../failure.ts';
import { createScreen } from '../screen.ts';
import { parseExposition } from './exposition.ts';
import { type ProcessRow, rowOf, type Shown, tableOf } from './table.ts';

export interface TopOptions {
  /** Looks twice and ends, as it does where nobody watches. */
  readonly once: boolean;
  /** Between two looks. */
  readonly everySec: number;
  readonly json: boolean;
  readonly dataDir?: string;
}

/** A process that is paused, or too busy, is shown as such rather than waited for. */
const pageTimeoutMs = 2_000;

/** What each service of each process does now, from the pages that they show to Prometheus. */
export async function topCommand({ once, everySec, json, dataDir }: TopOptions): Promise<ExitCode> {
  const folder = pickDataDir(dataDir, () => {});
  const screen = createScreen(json);
  let before = await lookAt(folder);
  if (before.length === 0) {
    throw new Failure(
      exitCodes.unavailable,
      `No Holdfast is running on ${folder}: start one with "npx holdfast up", or name its --data-dir.`,
    );
  }
  const isLive = process.stdout.isTTY === true && !once && !json;
  const terminal = isLive ? takeOver() : undefined;
  for (;;) {
    await systemTimers.sleep(everySec * 1_000);
    const now = await lookAt(folder);
    const rows = now.map((each) =>
      rowOf(
        before.find(({ process }) => process === each.process),
        each,
      ),
    );
    before = now;
    screen.result({ ok: true, at: new Date(systemClock.now()).toISOString(), everySec, processes: rows });
    if (!terminal) {
      screen.say(json ? '' : tableOf(rows));
      return exitCodes.ok;
    }
    terminal.draw(`${summary(rows)}\n\n${tableOf(rows)}\n\nCtrl-C leaves.`);
  }
}

async function lookAt(folder: string): Promise<readonly Shown[]> {
  const found = announced(folder);
  const shown = await Promise.all(found.map(pageOf));
  // Nobody answers there, and the process is not: a crash left its announcement.
  return shown.filter((each, i) => each.page !== undefined || isAlive(found[i] as Announced));
}

async function pageOf({ process: name, services, metrics }: Announced): Promise<Shown> {
  try {
    const timeouts = { headersTimeout: pageTimeoutMs, bodyTimeout: pageTimeoutMs };
    const { body } = await request(metrics, timeouts);
    const page = parseExposition(await body.text());
    return { process: name, services, atMs: systemClock.monotonicMs(), page };
  } catch {
    return { process: name, services, atMs: systemClock.monotonicMs(), page: undefined };
  }
}

function summary(rows: readonly ProcessRow[]): string {
  const door = rows.flatMap(({ services }) => services.filter(({ service }) => service === 'gateway'));
  const requestsPerSec = door.reduce((sum, each) => sum + each.requestsPerSec, 0);
  const cpu = rows.reduce((sum, { cpuRatio }) => sum + (cpuRatio ?? 0), 0);
  const memory = rows.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  const at = new Date(systemClock.now()).toISOString().slice(11, 19);
  const silent = rows.filter(({ answers }) => !answers).length;
  return [
    `${at}  ${requestsPerSec.toFixed(1)} requests/s at the gateway  ${rows.length} processes`,
    ...(silent > 0 ? [`, ${silent} without an answer`] : []),
    `  ${(100 * cpu).toFixed(0)} % of a processor  ${Math.round(memory / 1e6)} MB`,
  ].join('');
}

/** The other screen of the terminal, drawn over in place; what was there before comes back at the end. */
function takeOver(): { draw(text: string): void } {
  const write = (text: string) => process.stdout.write(text);
  write('\u001b[?1049h\u001b[?25l');
  process.once('exit', () => write('\u001b[?25h\u001b[?1049l'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(exitCodes.ok));
  return {
    draw(text) {
      const { rows = 50, columns = 200 } = process.stdout;
      const lines = text.split('\n').slice(0, rows - 1);
      write(`\u001b[H${lines.map((line) => `${line.slice(0, columns)}\u001b[K`).join('\n')}\u001b[J`);
    },
  };
}
