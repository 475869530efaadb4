import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Metric {
  readonly name: string;
  readonly labels: readonly string[];
}

/** Rows of the tables of the guide: a metric, its labels. */
function documented(page: string): Metric[] {
  const rows = page.matchAll(/^\| `((?:holdfast|process|nodejs)_[a-z0-9_]+)` \| ([^|]*)\|/gm);
  return [...rows].map(([, name = '', labels = '']) => ({ name, labels: labels.trim().split(/,\s*/).filter(Boolean) }));
}

/** Names that the code gives to metrics: as `name: '…'`, or first in a call of `gauge('…', …)`. */
function registered(): Map<string, string> {
  const files = globSync('{kit,services,edge,cli}/**/*.ts', { cwd: root }).filter(
    (file) => !/\.(test|bench)\.ts$|testing|node_modules/.test(file),
  );
  const found = new Map<string, string>();
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/(?:\bname:|\bgauge\()\s*'((?:holdfast|process|nodejs)_[a-z0-9_]+)'/g)) {
      found.set(name, file);
    }
  }
  return found;
}

const page = readFileSync(join(root, 'docs/guides/observing.md'), 'utf8');

test('every metric is in the guide, and the guide has no other', () => {
  const names = documented(page).map(({ name }) => name);
  expect(new Set(names).size, 'a metric that is there twice').toBe(names.length);
  expect(names.toSorted()).toEqual([...registered().keys()].sort());
});

test('a metric that is missing in the guide is found', () => {
  const names = documented(page.replace(/^\| `holdfast_calls_total`.*$/m, '')).map(({ name }) => name);
  expect([...registered().keys()].filter((name) => !names.includes(name))).toEqual(['holdfast_calls_total']);
});
