import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { databaseServer } from '../wiring.ts';
import type { Fault } from './fault.ts';
import { countInLog } from './file-limit.ts';

const sizeMegabytes = 768;

export const diskFull: Fault = {
  name: 'disk-full',
  class: 'disk',
  does: 'fills the disk of the database server, a small one in memory, to the last byte, and frees it again',
  durationMs: [2_000, 5_000],
  privileged: true,
  missing: missingMount,
  targets: () => [databaseServer],
  prepare(dataDir, stage) {
    if (stage !== 'empty') return undefined;
    return mountSmall(join(dataDir, 'postgres'), sizeMegabytes);
  },
  async inject(rig) {
    return fill(join(rig.dataDir, 'postgres', 'ballast'), countInLog(rig.dataDir, /No space left on device/g));
  },
};

/** Writes until nothing more fits. What the server frees while it restarts is filled again when effects are asked for. */
export function fill(path: string, effects: () => number) {
  const piece = Buffer.alloc(1 << 20);
  const file = openSync(path, 'w');
  const more = () => {
    for (let size = piece.length; size >= 1; size = Math.floor(size / 2)) {
      try {
        while (writeSync(file, piece, 0, size) > 0);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  };
  more();
  let isFull = true;
  return {
    effects() {
      const seen = effects();
      if (seen === 0 && isFull) more();
      return seen;
    },
    heal() {
      isFull = false;
      closeSync(file);
      rmSync(path, { force: true });
    },
  };
}

/** A file system in memory at a folder; undone by the answer. */
export function mountSmall(folder: string, megabytes: number): () => void {
  mkdirSync(folder, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=711`, 'tmpfs', folder]);
  if (mounted.status !== 0) throw new Error(`${folder} can't be a disk of its own: ${mounted.stderr}`);
  chmodSync(folder, 0o711);
  return () => void spawnSync('umount', ['--lazy', folder]);
}

export function missingMount(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may mount a file system';
  const status = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return status.status === 0 ? undefined : 'this machine lets nobody mount a file system';
}
