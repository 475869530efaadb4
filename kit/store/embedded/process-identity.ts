import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * A process that can't be mistaken for a later one with the same pid: its pid and when it started. Pids are reused
 * within minutes on a busy machine, so a pid from a file is trusted only together with its start.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process as long as the machine runs. */
  readonly start: string;
}

/** The identity of a living process; undefined for none and for a zombie, which holds nothing any more. */
export function identify(pid: number): ProcessIdentity | undefined {
  const start = process.platform === 'linux' ? linuxStart(pid) : psStart(pid);
  return start === undefined ? undefined : { pid, start };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.start === identity.start;
}

/** The command line, arguments separated by spaces; empty when there is no such process. */
export function commandLine(pid: number): string {
  if (process.platform !== 'linux') return ps(pid, 'command=');
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

function linuxStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name (field 2) is in parentheses and may hold anything, so fields are counted after the last ')'.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const state = fields[0];
    const startTicks = fields[19];
    if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
    return `${startTicks}-${bootId()}`;
  } catch {
    return undefined;
  }
}

/** Ticks count from the boot, so after a reboot the same count means another process. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  } catch {
    return 'unknown';
  }
}

function psStart(pid: number): string | undefined {
  const start = ps(pid, 'lstart=').replaceAll(/[^\w]+/g, '_');
  return start === '' || ps(pid, 'state=').startsWith('Z') ? undefined : start;
}

function ps(pid: number, column: string): string {
  return spawnSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? '';
}
