import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Component } from '#kit/runtime';
import { processFolders } from '#kit/telemetry';
import { keptFolder } from './kept.ts';

/** Where a process shows its numbers, for commands that are given the data directory alone. */
export interface Announced {
  readonly process: string;
  readonly pid: number;
  readonly services: readonly string[];
  /** The address of its page for Prometheus. */
  readonly metrics: string;
  /** Where it is called, `host:port`. */
  readonly address: string;
}

const fileName = 'process.json';

/** Whether the process runs. What a crash leaves behind may name one that has gone. */
export function isAlive({ pid }: Announced): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Writes it down while the process runs. What a crash leaves behind answers nobody. */
export function announce(
  dataDir: string,
  { process: name, services, metrics, address }: Omit<Announced, 'pid'>,
): Component {
  const folder = join(keptFolder(dataDir), name);
  const file = join(folder, fileName);
  return {
    name: 'announcement',
    async start() {
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const about: Announced = { process: name, pid: process.pid, services, metrics, address };
        writeFileSync(file, `${JSON.stringify(about)}\n`, { mode: 0o600 });
      } catch {
        // For people only: a disk that is full shows itself where it matters.
      }
    },
    async stop() {
      // Another may have taken its place and its name by now.
      if (readAnnounced(folder)?.pid === process.pid) rmSync(file, { force: true });
    },
  };
}

export function announced(dataDir: string): readonly Announced[] {
  return processFolders(keptFolder(dataDir)).flatMap(({ folder }) => readAnnounced(folder) ?? []);
}

function readAnnounced(folder: string): Announced | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, fileName), 'utf8'));
  } catch {
    return undefined;
  }
}
