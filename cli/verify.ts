/**
 * `npm run verify`: one command that proves a change before it is pushed. Runs every check even when one fails, so
 * that one run shows all there is to mend, and ends with 5 (check failed) if any did.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodes } from './failure.ts';
import { createScreen } from './screen.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

interface Check {
  readonly name: string;
  readonly package: string;
  readonly bin: string;
  readonly args: readonly string[];
}

const checks: readonly Check[] = [
  { name: 'format and lint', package: '@biomejs/biome', bin: 'biome', args: ['check', '--error-on-warnings', '.'] },
  { name: 'types', package: 'typescript', bin: 'tsc', args: ['-p', '.'] },
  {
    name: 'import arrows',
    package: 'dependency-cruiser',
    bin: 'depcruise',
    args: ['--config', '.dependency-cruiser.mjs', 'kit', 'contracts', 'services', 'edge', 'lab', 'cli'],
  },
  { name: 'unused code', package: 'knip', bin: 'knip', args: ['--no-progress'] },
];

const screen = createScreen(false);
const failed = checks.filter((check) => !run(check)).map(({ name }) => name);
screen.say(
  `\n${checks.length - failed.length} checks passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`,
);
process.exit(failed.length === 0 ? exitCodes.ok : exitCodes.checkFailed);

/** On this Node, whatever `node` may be on the PATH. */
function run(check: Check): boolean {
  const startedMs = performance.now();
  const { status } = spawnSync(process.execPath, [entryOf(check), ...check.args], { cwd: root, stdio: 'inherit' });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  screen.say(`${status === 0 ? '✓' : '✗'} ${check.name} ${seconds} s`);
  return status === 0;
}

function entryOf(check: Check): string {
  const folder = join(root, 'node_modules', check.package);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    bin: string | Record<string, string>;
  };
  const path = typeof bin === 'string' ? bin : bin[check.bin];
  if (path === undefined) throw new Error(`verify: ${check.package} has no program ${check.bin}`);
  return join(folder, path);
}
