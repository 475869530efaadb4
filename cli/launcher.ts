import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Cancel, Timers } from '#kit/runtime';
import { commandLine, identify, isAlive, type ProcessIdentity } from '#kit/store/embedded';

const lookEveryMs = 250;

/**
 * Calls `onGone` when the npm, npx or bootstrap that started this process has gone. npm runs commands through a shell
 * that dies by a signal without passing it on (seen with dash: SIGTERM to npm ends npm and the shell, exit code 143,
 * and the command never hears of it), so a service manager that stops `npm start` would leave us behind.
 */
export function watchLauncher(timers: Timers, onGone: (who: string) => void): Cancel {
  const lifeline = Number(process.env['HOLDFAST_LIFELINE']);
  if (Number.isInteger(lifeline) && lifeline > 2) {
    // The other end is held by the bootstrap; its end of file means that the bootstrap is gone. A socket and not a
    // file stream: that one's read would sit in a thread of the pool and keep the process from ending.
    const line = new Socket({ fd: lifeline, readable: true, writable: false });
    line.on('error', () => onGone('its launcher')).on('end', () => onGone('its launcher'));
    line.resume().unref();
  }
  const launchers = process.env['npm_command'] ? npmAncestors() : [];
  if (launchers.length === 0) return () => {};
  return timers.every(lookEveryMs, () => {
    if (!launchers.every(isAlive)) onGone('npm');
  });
}

/** The parents up to npm: at most bootstrap, shell, npm. None when npm is not among them. */
function npmAncestors(): ProcessIdentity[] {
  const ancestors: ProcessIdentity[] = [];
  let pid: number | undefined = process.ppid;
  for (let level = 0; level < 3 && pid !== undefined && pid > 1; level++) {
    const identity = identify(pid);
    if (!identity) return [];
    ancestors.push(identity);
    if (/(^|\/)np[mx](-cli\.js)?( |$)/.test(commandLine(pid))) return ancestors;
    pid = parentOf(pid);
  }
  return [];
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
