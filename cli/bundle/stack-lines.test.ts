import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { showWrittenLines } from './stack-lines.ts';

/** All of it was line 3, column 5, of written.ts. */
function bundledModule(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hf-lines-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'bundled.mjs');
  writeFileSync(file, 'export const traceOf = () => new Error("why").stack;\n');
  const map = { version: 3, names: [], sources: ['written.ts'], mappings: 'AAEI' };
  writeFileSync(`${file}.map`, JSON.stringify(map));
  return pathToFileURL(file).href;
}

test('a trace names the lines that were written, the second time too, and each its own message', () => {
  const before = Error.prepareStackTrace;
  onTestFinished(() => {
    Error.prepareStackTrace = before;
  });
  const url = bundledModule();
  // By Node itself: vitest would put a program of its own in its place.
  const { traceOf } = createRequire(import.meta.url)(fileURLToPath(url)) as { traceOf(): string };
  showWrittenLines();
  for (const _ of [1, 2]) {
    const [message, ...lines] = traceOf().split('\n');
    expect(message).toBe('Error: why');
    expect(lines[0]).toBe(`    at traceOf (${new URL('written.ts', url).href}:3:5)`);
    expect(lines.join()).not.toContain('bundled.mjs');
    expect(lines.length).toBeGreaterThan(1);
  }
});
