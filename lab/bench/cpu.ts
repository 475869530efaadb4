import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Cores that were kept busy over a stretch of time, by whom. `client` is the process that gives the load; of contestants without a server, and so the
 * application itself. `others` is what does not belong to the benchmark. */
export interface CpuUse {
  readonly client: number;
  /** The server under test; 0 for contestants that have none. */
  readonly server: number;
  readonly postgres: number;
  readonly others: number;
}

export interface Watched {
  readonly client: number;
  readonly server?: number;
  /** With its children. */
  readonly postgres: number;
}

/**
 * Milliseconds of processor for one order (workflow, …) of the benchmark's own processes. Unlike orders a second it
 * hardly changes when others use the machine too.
 */
export function cpuMsEach({ client, server, postgres }: CpuUse, perSec: number): number {
  return Math.round(((client + server + postgres) * 1e6) / perSec) / 1e3;
}

/** Clock ticks a second in /proc: fixed at 100 for programs on every Linux that Node runs on. */
const ticksPerSec = 100;

/** Begins to measure; the result tells what was used since. Undefined where there is no /proc. */
export function watchCpu(watched: Watched): () => CpuUse | undefined {
  const before = readAll(watched);
  const startMs = performance.now();
  return () => {
    const after = readAll(watched);
    if (!before || !after) return undefined;
    const seconds = (performance.now() - startMs) / 1000;
    const cores = (name: keyof typeof after) => Math.max(0, after[name] - before[name]) / seconds;
    const [client, server, postgres] = [cores('client'), cores('server'), cores('postgres')];
    const others = Math.max(0, cores('machine') - client - server - postgres);
    const round = (value: number) => Math.round(value * 100) / 100;
    return { client: round(client), server: round(server), postgres: round(postgres), others: round(others) };
  };
}

function readAll({ client, server, postgres }: Watched) {
  try {
    return {
      client: secondsOf(client).own,
      server: server === undefined ? 0 : secondsOf(server).own,
      postgres: secondsWithChildren(postgres),
      machine: cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000,
    };
  } catch {
    return undefined;
  }
}

/** Seconds of CPU of a process, and of its children that have ended. */
function secondsOf(pid: number): { own: number; ended: number; parent: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold anything, so fields are counted from behind it: state is the third of all.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  return {
    own: (field(14) + field(15)) / ticksPerSec,
    ended: (field(16) + field(17)) / ticksPerSec,
    parent: field(4),
  };
}

function secondsWithChildren(pid: number): number {
  const { own, ended } = secondsOf(pid);
  let sum = own + ended;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const child = secondsOf(Number(name));
      if (child.parent === pid) sum += child.own;
    } catch {
      // Ended between the two reads.
    }
  }
  return sum;
}
