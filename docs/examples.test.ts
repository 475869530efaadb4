import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const examples = globSync('{kit,services,edge,lab}/**/example.ts', { cwd: root }).sort();

/** What a page shows after the command, as a block in fences or set in; undefined: nothing. */
function shownAfter(page: string, command: string): string | undefined {
  const [, after] = page.split(command, 2);
  const [, fenced, indented] = /^```\n([\s\S]*?)^```|((?:^ {4}.*\n|^\n(?= {4}))+)/m.exec(after ?? '') ?? [];
  return fenced ?? indented?.replaceAll(/^ {4}/gm, '');
}

/** Times differ from run to run, a kept database counts on, and which of two twins comes first is chance. */
const plain = (line: string) =>
  line
    .trim()
    .replaceAll(/\d+(\.\d+)? ms/g, 'N ms')
    .replace(/^greeting \d+/, 'greeting N')
    .replace(
      "[ 'paid 500 (the same answer as before)', 'paid 500' ]",
      "[ 'paid 500', 'paid 500 (the same answer as before)' ]",
    );

test.each(examples)('%s prints what the page beside it shows', { timeout: 120_000 }, async (example) => {
  const pagePath = join(root, dirname(example), 'README.md');
  const page = existsSync(pagePath) ? readFileSync(pagePath, 'utf8') : '';
  const shown = shownAfter(page, `node ${example}`);
  expect(shown, 'the page names the command, and what it prints').toBeDefined();
  const { stdout } = await promisify(execFile)(process.execPath, [example], { cwd: root });
  const lines = (shown ?? '').trim().split('\n').map(plain);
  expect(lines.slice(0, stdout.trim().split('\n').length)).toEqual(stdout.trim().split('\n').map(plain));
});
