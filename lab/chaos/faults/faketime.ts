import { existsSync, statSync, writeFileSync } from 'node:fs';
import type { Rig, RigProcess } from '../rig.ts';
import { readingOf } from '../seams.ts';
import { databaseServer } from '../wiring.ts';
import { drawBetween, drawOne, type Fault } from './fault.ts';
import { query } from './postgres.ts';
import { clockTargets } from './skew.ts';

export const faketime: Fault = {
  name: 'faketime',
  class: 'clock',
  does: 'sets the time that the system tells a process or the database server wrong: a jump, or another rate (libfaketime)',
  durationMs: [2_500, 6_000],
  privileged: true,
  missing: () => (library() ? undefined : 'libfaketime is not installed (Debian package libfaketime)'),
  /** The file is read anew every second, so that time can go wrong and right again while a process runs. */
  environment: (timeFile) => ({
    LD_PRELOAD: library() ?? '',
    FAKETIME_TIMESTAMP_FILE: timeFile,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DISABLE_SHM: '1',
  }),
  targets: (shape) => [databaseServer, databaseServer, ...clockTargets(shape)],
  async inject(rig, target, random) {
    const offset = drawOne(random, [-1, 1]) * drawOne(random, [1, 4, 60, 3_600]);
    // At another rate the time of a process that has run for long would be far away at once: a jump with it hides that.
    const rate = drawOne(random, ['', '', '', ' x0.8', ' x1.5']);
    const detail = `${offset > 0 ? '+' : ''}${offset + drawBetween(random, 0, 9) / 10}s${rate}`;
    const file = rig.timeFileOf(target);
    writeFileSync(file, `${detail}\n`);
    let seen = 0;
    return {
      detail,
      async effects() {
        if (await isWrong(rig, target)) seen += 1;
        return seen;
      },
      heal: () => writeFileSync(file, '+0\n'),
    };
  },
};

/** For programs with threads, where distributions put it. */
function library(): string | undefined {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const places = [
    `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`,
    '/usr/lib/faketime/libfaketimeMT.so.1',
    '/usr/lib64/faketime/libfaketimeMT.so.1',
  ];
  return places.find(existsSync);
}

/** More than it takes to ask. */
const wrongMs = 500;

/** The database server is asked; a process writes what its clock shows, and the kernel's true time stands on the file. */
async function isWrong(rig: Rig, target: string): Promise<boolean> {
  try {
    if (target === databaseServer) {
      const startMs = rig.world.clock.now();
      const [row] = await query<{ ms: number }>(rig.postgres.adminUrl, 'select extract(epoch from now()) * 1000 as ms');
      const shown = Number(row?.ms);
      return shown < startMs - wrongMs || shown > rig.world.clock.now() + wrongMs;
    }
    const { readingsFile } = rig.processes.get(target) as RigProcess;
    const shown = readingOf(readingsFile)?.nowMs;
    return shown !== undefined && Math.abs(statSync(readingsFile).mtimeMs - shown) > wrongMs;
  } catch {
    // It may be down: it is asked again.
    return false;
  }
}
