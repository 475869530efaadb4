/**
 * `node apps/build/main.ts [folder]` builds each app into a folder of its name and fingerprint, and prints what came of it
 * as JSON: `{"folders":[…],"failures":[…]}`. What is there already is left alone; of two that build at once, the first to
 * finish wins, and both print the same folder. An app that can't be built keeps none of the others from it.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type App, apps, appsFolder } from './apps.ts';
import { fingerprint } from './fingerprint.ts';

/** Builds of one app that are kept: others may just be reading them. */
const keptMax = 4;

process.env['NODE_ENV'] = 'production';
const parent = resolve(process.argv[2] ?? join(appsFolder, '../node_modules/.cache/holdfast-apps'));
mkdirSync(parent, { recursive: true });
const folders: string[] = [];
const failures: string[] = [];
for (const app of apps) {
  try {
    folders.push(await ensure(app));
  } catch (error) {
    failures.push(`${app.name}: ${(error as Error).message}`);
  }
}
process.stdout.write(`${JSON.stringify({ folders, failures })}\n`);

async function ensure(app: App): Promise<string> {
  const folder = join(parent, `${app.name}-${fingerprint(app)}`);
  if (existsSync(folder)) return folder;
  const draft = mkdtempSync(join(parent, '.draft-'));
  try {
    // Only now: reading the bundler takes longer than all that a start does here when nothing has changed.
    const { buildApp } = await import('./build.ts');
    await buildApp(app, draft);
    chmodSync(draft, 0o755);
    renameSync(draft, folder);
  } catch (error) {
    // Another was faster: what it built is the same.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  removeOld(app);
  return folder;
}

function removeOld({ name }: App): void {
  const builds = readdirSync(parent).filter((each) => each.startsWith(`${name}-`));
  const newestFirst = builds
    .map((each) => ({ path: join(parent, each), builtMs: statSync(join(parent, each)).mtimeMs }))
    .sort((a, b) => b.builtMs - a.builtMs);
  for (const { path } of newestFirst.slice(keptMax)) rmSync(path, { recursive: true, force: true });
}
