import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '#kit/runtime';
import { treeOf } from '../os.ts';
import type { Rig } from '../rig.ts';
import { databaseServer } from '../wiring.ts';
import type { Fault } from './fault.ts';
import { serverPid } from './postgres.ts';

/** What the faults inside a system call have in common: strace holds the database server's processes and injects. */

/** Long, as a tracer that is killed may leave those it held without a signal that they wait for. */
const endWithinMs = 60_000;

export function straceFault(
  about: Pick<Fault, 'name' | 'class' | 'does' | 'durationMs'>,
  draw: (random: Random) => { readonly inject: string; readonly detail: string },
  effect: RegExp,
): Fault {
  return {
    ...about,
    privileged: true,
    missing: missingStrace,
    targets: () => [databaseServer],
    async inject(rig, _target, random) {
      const { inject, detail } = draw(random);
      const leave = await beAlone(rig);
      const output = join(tmpdir(), `holdfast-strace-${process.pid}-${rig.world.ids.next('st')}`);
      const attach = async () => attachTo(struck(await serverPid(rig)), output, inject);
      const count = () => {
        try {
          return readFileSync(output, 'utf8').match(effect)?.length ?? 0;
        } catch {
          return 0;
        }
      };
      let tracer = attach();
      // Told when it is healed.
      tracer.catch(() => {});
      // Sessions that came later, or after a recovery, are not held yet.
      const stop = rig.world.timers.every(anewEveryMs, () => {
        if (count() > 0) return;
        tracer = tracer.then(async (before) => {
          await endTracer(before, rig.world.timers);
          return attach();
        });
        tracer.catch(() => {});
      });
      let last: number | undefined;
      return {
        detail,
        effects: () => last ?? count(),
        async heal() {
          stop();
          try {
            await endTracer(await tracer, rig.world.timers);
          } finally {
            leave();
            last = count();
            rmSync(output, { force: true });
          }
        },
      };
    },
  };
}

/** As long as nobody was struck, whoever works by then is taken hold of. */
const anewEveryMs = 4_000;

function attachTo(pids: readonly number[], output: string, inject: string): ChildProcess {
  const who = pids.flatMap((pid) => ['-p', String(pid)]);
  const what = ['-e', 'trace=fsync,fdatasync', '-e', `inject=fsync,fdatasync:${inject}`];
  return spawn('strace', ['-q', '-A', '-o', output, ...what, ...who], { stdio: 'ignore' });
}

const tracers = new WeakMap<Rig, Promise<void>>();

/** A process has one tracer at most, so a fault waits for the one before it to be healed. */
async function beAlone(rig: Rig): Promise<() => void> {
  const before = tracers.get(rig);
  const mine = Promise.withResolvers<void>();
  tracers.set(rig, before ? before.then(() => mine.promise) : mine.promise);
  await before;
  return mine.resolve;
}

/**
 * Those that work just now, and none that comes later: PostgreSQL 18 waits for ever when the process that recovers it after
 * a crash dies as well (its first process takes no further death for news while a crash is being dealt with).
 */
function struck(pid: number): number[] {
  return treeOf(pid).filter((each) => each !== pid && !/startup/.test(commandOf(each)));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Interrupted, it lets everyone go on; killed, it might leave them stopped. */
async function endTracer(tracer: ChildProcess, timers: { sleep(ms: number): Promise<void> }): Promise<void> {
  if (tracer.exitCode !== null || tracer.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => void tracer.once('exit', () => resolve()));
  tracer.kill('SIGINT');
  await Promise.race([gone, timers.sleep(endWithinMs).then(() => tracer.kill('SIGKILL'))]);
}

function missingStrace(): string | undefined {
  if (spawnSync('strace', ['-V']).status !== 0) return 'strace is not installed (Debian package strace)';
  const isRoot = process.getuid?.() === 0;
  if (isRoot) return undefined;
  try {
    const scope = readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'utf8').trim();
    return scope === '0' ? undefined : `only root may trace others here (kernel.yama.ptrace_scope is ${scope})`;
  } catch {
    return undefined;
  }
}
