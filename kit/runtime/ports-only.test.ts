import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What is banned, and a word of what the message tells to use instead. */
const banned: Readonly<Record<string, string>> = {
  'export const a = Date.now();': 'clock.now()',
  'export const a = [1].map(Date.now);': 'clock.now()',
  'export const a = new Date();': 'clock.now()',
  'export const a = Date();': 'clock.now()',
  'export const a = performance.now();': 'clock.monotonicMs()',
  "import { performance } from 'node:perf_hooks';\nexport { performance };": 'clock.monotonicMs()',
  'export const a = process.hrtime();': 'clock.monotonicMs()',
  'setTimeout(() => {}, 1);': 'timers.after',
  'globalThis.setTimeout(() => {}, 1);': 'kit/runtime',
  "import { setTimeout } from 'node:timers/promises';\nexport { setTimeout };": 'timers.sleep',
  'setInterval(() => {}, 1);': 'timers.every',
  'setImmediate(() => {});': 'timers.soon',
  'queueMicrotask(() => {});': 'timers.soon',
  'process.nextTick(() => {});': 'timers.soon',
  'export const a = Math.random();': 'random.next()',
  'export const a = crypto.randomUUID();': 'ids.next',
  "import { randomUUID } from 'node:crypto';\nexport const a = randomUUID();": 'ids.next',
  "import { randomBytes } from 'node:crypto';\nexport const a = randomBytes(8);": 'random.bytes',
  "import * as chance from 'node:crypto';\nexport const a = chance.randomBytes(8);": 'random.bytes',
  "export const a = process.env['HOME'];": 'createX',
  'export const { env } = process;': 'createX',
  "import { env } from 'node:process';\nexport { env };": 'createX',
  "console.log('x');": 'log.info',
  "export const a = fetch('http://x');": 'Transport',
  "export const a = new WebSocket('ws://x');": 'Transport',
};

const allowed = [
  'export const a = new Date(0).toISOString();',
  'export const a = Date.UTC(2030, 0, 1);',
  "import { createHash } from 'node:crypto';\nexport const a = createHash('sha256');",
  'export const a = process.memoryUsage();',
  'export const a = (setTimeout: () => void) => setTimeout();',
].join('\n//\n');

/** Lints files of a little tree with this house's own rules. */
function lint(files: Readonly<Record<string, string>>): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'hf-lint-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const file of ['biome.json', 'kit/runtime/ports-only.grit']) cpSync(join(root, file), join(folder, file));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const args = ['lint', '--vcs-enabled=false', '--max-diagnostics=none', '--colors=off', '.'];
  const { stderr } = spawnSync(process.execPath, [biome, ...args], { cwd: folder, encoding: 'utf8' });
  const found = new Map<string, string>();
  // Each finding begins with `path:line:column rule ━━━`; what to use instead stands somewhere below.
  const parts = stderr.split(/^(\S+\.ts):\d+:\d+ (\S+)/m).slice(1);
  for (let i = 0; i + 2 < parts.length; i += 3) {
    const [path = '', rule = '', text = ''] = parts.slice(i, i + 3);
    if (/plugin|noRestricted/.test(rule)) found.set(path, `${found.get(path) ?? ''}${text}`);
  }
  return found;
}

test('every direct use of the system is banned, and the message names the port to use', () => {
  const cases = Object.entries(banned);
  const found = lint(Object.fromEntries(cases.map(([code], i) => [`services/planted/x${i}.ts`, code])));
  for (const [i, [code, advice]] of cases.entries()) {
    expect(found.get(`services/planted/x${i}.ts`) ?? 'nothing found', code).toContain(advice);
  }
});

test('code that only computes is let alone, and so are the runtime, tests, examples and commands', () => {
  const everything = `${Object.keys(banned)
    .filter((code) => !code.includes('import'))
    .map((code, i) => code.replace('const a', `const a${i}`))
    .join('\n')}`;
  const exempt = ['kit/runtime/x.ts', 'cli/x.ts', 'lab/bench/x.ts', 'kit/a/x.test.ts', 'kit/a/example.ts'];
  const tree = Object.fromEntries(exempt.map((path) => [path, everything]));
  const found = lint({ 'kit/a/x.ts': allowed, 'kit/a/testing/x.ts': everything, 'lab/x.ts': everything, ...tree });
  expect([...found.keys()]).toEqual(['lab/x.ts']);
});
