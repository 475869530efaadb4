/**
 * `node apps/build/main.ts [folder]` builds all apps into a folder of their fingerprint and prints where. What is there
 * already is left alone; of two that build at once, the first to finish wins, and both print the same folder.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { apps, appsFolder } from './apps.ts';
import { buildApp } from './build.ts';
import { fingerprint } from './fingerprint.ts';

const parent = resolve(process.argv[2] ?? join(appsFolder, '../node_modules/.cache/holdfast-apps'));
const folder = join(parent, fingerprint());
if (!existsSync(folder)) {
  process.env['NODE_ENV'] = 'production';
  mkdirSync(parent, { recursive: true });
  const draft = mkdtempSync(join(parent, '.draft-'));
  try {
    for (const app of apps) await buildApp(app, draft);
    chmodSync(draft, 0o755);
    renameSync(draft, folder);
  } catch (error) {
    // Another was faster: what it built is the same.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
process.stdout.write(`${folder}\n`);
