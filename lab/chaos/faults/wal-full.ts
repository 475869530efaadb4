import { chownSync, cpSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { databaseServer } from '../wiring.ts';
import { fill, missingMount, mountSmall } from './disk-full.ts';
import type { Fault } from './fault.ts';
import { countInLog } from './file-limit.ts';
import { query } from './postgres.ts';

const sizeMegabytes = 256;

export const walFull: Fault = {
  name: 'wal-full',
  class: 'disk',
  does: 'fills the disk that holds only the log of changes (pg_wal) of the database server, and frees it again',
  durationMs: [2_000, 5_000],
  privileged: true,
  missing: missingMount,
  targets: () => [databaseServer],
  /** The log moves to a disk of its own once there is one, while the server stands still. */
  prepare(dataDir, stage) {
    if (stage !== 'made') return undefined;
    const old = join(dataDir, 'postgres', 'cluster', 'pg_wal');
    const { uid, gid } = statSync(old);
    const undo = mountSmall(walOf(dataDir), sizeMegabytes);
    const place = join(walOf(dataDir), 'pg_wal');
    mkdirSync(place, { mode: 0o700 });
    cpSync(old, place, { recursive: true, preserveTimestamps: true });
    chownAll(place, uid, gid);
    rmSync(old, { recursive: true });
    symlinkSync(place, old);
    return undo;
  },
  async inject(rig) {
    const full = fill(join(walOf(rig.dataDir), 'ballast'), countInLog(rig.dataDir, /No space left on device/g));
    return {
      ...full,
      async effects() {
        const seen = full.effects();
        // Segments that lie ready need no room: they are used up first.
        if (seen === 0) await query(rig.postgres.adminUrl, 'select pg_switch_wal()').catch(() => {});
        return seen;
      },
    };
  },
};

const walOf = (dataDir: string): string => join(dataDir, 'wal');

function chownAll(folder: string, uid: number, gid: number): void {
  chownSync(folder, uid, gid);
  for (const entry of readdirSync(folder, { recursive: true })) chownSync(join(folder, String(entry)), uid, gid);
}
