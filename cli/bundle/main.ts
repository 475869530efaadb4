/**
 * `node cli/bundle/main.ts <bundle>` makes the programs of child processes into a few files, and prints in which folder:
 * `{"folder":"…"}`. What is there already is left alone; of two that build at once, the first to finish wins, and both made
 * the same.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { bundles } from './bundles.ts';

const root = join(import.meta.dirname, '../..');
const name = process.argv[2] ?? '';
const bundle = bundles[name as keyof typeof bundles];
if (!bundle) throw new Error(`There is no bundle "${name}": name one of ${Object.keys(bundles).join(', ')}.`);
const parent = join(root, `node_modules/.cache/holdfast-${name}`);
/** Others may just be running them. */
const keptMax = 4;

process.env['NODE_ENV'] = 'production';
const folder = join(parent, fingerprint());
if (!existsSync(folder)) await build();
process.stdout.write(`${JSON.stringify({ folder })}\n`);

async function build(): Promise<void> {
  mkdirSync(parent, { recursive: true });
  const draft = mkdtempSync(join(parent, '.draft-'));
  try {
    const { buildBundle } = await import('./build.ts');
    await buildBundle(root, bundle.programs, draft);
    renameSync(draft, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  removeOld();
}

/** Names all that it is made of. */
function fingerprint(): string {
  const hash = createHash('sha256').update(root);
  const paths = globSync(`{${bundle.folders}}/**/*.{ts,mjs,json}`, {
    cwd: root,
    exclude: (path) => path.endsWith('.test.ts'),
  });
  for (const path of [...paths, 'package.json', 'package-lock.json'].sort()) {
    hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex').slice(0, 16);
}

function removeOld(): void {
  const newestFirst = readdirSync(parent)
    .map((name) => ({ path: join(parent, name), builtMs: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.builtMs - a.builtMs);
  for (const { path } of newestFirst.slice(keptMax)) rmSync(path, { recursive: true, force: true });
}
