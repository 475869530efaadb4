import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appsFolder } from './apps.ts';

const root = join(appsFolder, '..');

/**
 * Names what a build would be made of: sources, contracts (and what describes them), and the versions of the packages.
 * Two checkouts with the same fingerprint build the same bytes.
 */
export function fingerprint(): string {
  const hash = createHash('sha256');
  const paths = globSync(
    ['apps/**/*.{ts,svelte,css,html,svg,json,webmanifest,png}', 'contracts/*.ts', 'kit/contract/*.ts'],
    {
      cwd: root,
      exclude: (path) => path.endsWith('.test.ts'),
    },
  );
  for (const path of [...paths, 'package-lock.json'].sort()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}
