import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { World } from '#kit/runtime';
import { startEmbeddedPostgres } from '#kit/store/embedded';

export interface BenchDatabase {
  readonly url: string;
  close(): Promise<void>;
}

export interface BenchDatabaseOptions {
  /** A database of your own to use. */
  readonly url: string | undefined;
  /** Where the embedded server keeps its data, and finds it at the next run. Default: a folder that is removed. */
  readonly dataDir: string | undefined;
  readonly world: World;
}

/** The server that comes with Holdfast, with its usual settings, unless another one is given. */
export async function openBenchDatabase({ url, dataDir, world }: BenchDatabaseOptions): Promise<BenchDatabase> {
  if (url !== undefined) return { url, close: async () => {} };
  const folder = dataDir ?? mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  // The server's account has to pass through.
  if (dataDir === undefined) chmodSync(folder, 0o711);
  const server = await startEmbeddedPostgres({ dataDir: folder, world });
  return {
    url: server.adminUrl,
    async close() {
      await server.stop();
      if (dataDir === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
