/**
 * `node cli/bundle/main.ts` makes the program of a child process into a few files, and prints where: `{"entry":"…"}`.
 * What is there already is left alone; of two that build at once, the first to finish wins, and both made the same.
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

const root = join(import.meta.dirname, '../..');
const parent = join(root, 'node_modules/.cache/holdfast-processes');
/** Others may just be running them. */
const keptMax = 4;

process.env['NODE_ENV'] = 'production';
const folder = join(parent, fingerprint());
if (!existsSync(folder)) await build();
process.stdout.write(`${JSON.stringify({ entry: join(folder, 'process.js') })}\n`);

async function build(): Promise<void> {
  mkdirSync(parent, { recursive: true });
  const draft = mkdtempSync(join(parent, '.draft-'));
  try {
    const { buildBundle } = await import('./build.ts');
    await buildBundle(root, draft);
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
  const paths = globSync('{kit,contracts,services,edge,cli}/**/*.{ts,mjs,json}', {
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
