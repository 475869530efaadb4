/** `npm run docs`: writes the pages that are made from the contracts. A test fails while they are not current. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatePages } from './generator/pages.ts';

for (const [path, text] of generatePages()) {
  const file = join(import.meta.dirname, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
