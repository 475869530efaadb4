import { readdirSync, readFileSync } from 'node:fs';

/** Signals and /proc: what the laboratory does to processes, by pid, never by name. */

/** False when there is no such process any more. */
export function signal(pid: number | undefined, name: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

export const endProcess = (pid: number | undefined): boolean => signal(pid, 'SIGKILL');

/** `T` is stopped, `R` and `S` alive; undefined when it is gone. See proc(5). */
export function stateOf(pid: number): string | undefined {
  return statOf(pid)?.[0];
}

/** A process and all that it started, its children first found last. */
export function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree = [pid];
  for (const each of tree) tree.push(...(children.get(each) ?? []));
  return tree;
}

/** The fields after the command's name, which may hold anything. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
