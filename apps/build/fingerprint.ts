import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, appsFolder } from './apps.ts';

const root = join(appsFolder, '..');
const sources = '**/*.{ts,svelte,css,html,svg,json,webmanifest,png}';

/**
 * Names what an app would be made of: its sources and the shared ones, contracts (and what describes them), and the
 * versions of the packages. Two checkouts with the same fingerprint build the same bytes.
 */
export function fingerprint({ name }: App): string {
  const hash = createHash('sha256');
  const ofApps = [name, 'api', 'ui', 'build'].map((folder) => `apps/${folder}/${sources}`);
  const paths = globSync([...ofApps, 'contracts/*.ts', 'kit/contract/*.ts'], {
    cwd: root,
    exclude: (path) => path.endsWith('.test.ts'),
  });
  for (const path of [...paths, 'package-lock.json'].sort()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}
