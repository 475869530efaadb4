/**
 * `npm run verify`: one command that proves a change before it is pushed. Runs every check even when one fails, so
 * that one run shows all there is to mend, and ends with 5 (check failed) if any did. They run side by side.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { exitCodes } from './failure.ts';
import { createScreen } from './screen.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folders = ['kit', 'contracts', 'services', 'edge', 'apps', 'lab', 'cli', 'docs', 'test'];

interface Check {
  readonly name: string;
  readonly package: string;
  readonly bin: string;
  readonly args: readonly string[];
}

const checks: readonly Check[] = [
  {
    name: 'format and lint',
    package: '@biomejs/biome',
    bin: 'biome',
    args: ['ci', '--error-on-warnings', ...(process.stdout.isTTY ? [] : ['--colors=off']), '.'],
  },
  {
    name: 'types',
    // TypeScript 7, for less than a third of the processor time. Version 6 is there for those that need its JavaScript interface.
    package: '@typescript/native',
    bin: 'tsc',
    // What it knows from last time makes it faster still. Several threads would do a half more, and the others wait for them.
    args: [
      ...['-p', '.', '--singleThreaded'],
      ...['--incremental', '--tsBuildInfoFile', 'node_modules/.cache/verify.tsbuildinfo'],
    ],
  },
  {
    name: 'types of the apps',
    package: 'svelte-check',
    bin: 'svelte-check',
    args: [
      ...['--tsconfig', 'apps/tsconfig.json', '--output', 'human', '--fail-on-warnings'],
      // By TypeScript 7, too.
      '--tsgo-experimental-api',
    ],
  },
  {
    name: 'import arrows',
    package: 'dependency-cruiser',
    bin: 'depcruise',
    args: ['--config', '.dependency-cruiser.mjs', ...folders.filter((folder) => existsSync(join(root, folder)))],
  },
  { name: 'unused code', package: 'knip', bin: 'knip', args: ['--no-progress'] },
];

const screen = createScreen(false);
const passed = await Promise.all(checks.map(run));
const failed = checks.filter((_, i) => !passed[i]).map(({ name }) => name);
screen.say(
  `\n${checks.length - failed.length} checks passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`,
);
process.exitCode = failed.length === 0 ? exitCodes.ok : exitCodes.checkFailed;

/** On this Node, whatever `node` may be on the PATH. What a check says is shown when it fails. */
async function run(check: Check): Promise<boolean> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [entryOf(check), ...check.args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }) },
  });
  const status = new Promise((resolve) => child.once('close', resolve));
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const isPassed = (await status) === 0;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  screen.say(`${isPassed ? '✓' : '✗'} ${check.name} ${seconds} s`);
  if (!isPassed) screen.say(`${said}${complained}`.trimEnd());
  return isPassed;
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
