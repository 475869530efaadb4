import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chapters, problemTables } from './generator/house.ts';
import { generatePages } from './generator/pages.ts';
import { brokenLinks, documentPaths, missingPaths, missingTests, readDocument } from './generator/truth.ts';

const docs = import.meta.dirname;
const root = join(docs, '..');
/** Made once: it takes seconds. */
const generated = generatePages();
const written = (path: string) => (existsSync(join(docs, path)) ? readFileSync(join(docs, path), 'utf8') : 'nothing');

test('the generated pages are what the contracts say: run "npm run docs" when this fails', () => {
  const stale = [...generated].filter(([path, text]) => written(path) !== text).map(([path]) => path);
  expect(stale).toEqual([]);
});

test('no generated page is left over from something that is gone', () => {
  const pages = new Set(generated.keys());
  const present = globSync('api/**/*', { cwd: docs }).filter((path) => /\.\w+$/.test(path));
  expect(present.filter((path) => !pages.has(path))).toEqual([]);
});

test('every problem is on the errors page, and the page has no other', () => {
  const known = [...problemTables.values()].flatMap((table) => Object.keys(table));
  const shown = [...written('errors.md').matchAll(/^\| <a id="[\w-]+"><\/a>`([\w/-]+)`/gm)].map(([, code]) => code);
  expect(shown.sort()).toEqual(known.sort());
});

test('every problem is made somewhere in the code', () => {
  const source = globSync('{kit,contracts,services,edge}/**/*.ts', { cwd: root })
    .filter((path) => !/test|example|conformance/.test(path))
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n');
  const isMade = (code: string) => {
    const name = code.slice(code.indexOf('/') + 1);
    const ways = [`roblems['${name}']`, `roblems.${name}(`, `? '${name}'`, `: '${name}';`];
    // Slug, SKU and GTIN are told apart by their column.
    if (name.endsWith('-taken')) ways.push('-taken`]');
    return ways.some((way) => source.includes(way));
  };
  const unused = [...problemTables.values()].flatMap((table) => Object.keys(table)).filter((code) => !isMade(code));
  expect(unused).toEqual([]);
});

test('every operation is on the page of its service, and the page has no other', () => {
  for (const { contract } of chapters) {
    const shown = [...written(`api/${contract.service}.md`).matchAll(/^## (?!Shapes$)(\w+)\n\n`(\w+ .*)`$/gm)];
    const known = Object.entries(contract.operations).map(([name, { method, path }]) => `${name}: ${method} ${path}`);
    expect(shown.map(([, name, request]) => `${name}: ${request}`)).toEqual(known);
  }
});

test('every link in every document leads somewhere', () => {
  expect(documentPaths().flatMap((path) => brokenLinks(path, readDocument(path)))).toEqual([]);
});

test('every file and every test that the guides name is there', () => {
  // Decisions tell how things were when they were made.
  const paths = documentPaths().filter((path) => /^(docs\/|\w+\.md)/.test(path) && !path.startsWith('docs/decisions/'));
  const texts = paths.map((path) => [path, readDocument(path)] as const);
  expect(texts.flatMap(([path, text]) => [...missingPaths(path, text), ...missingTests(path, text)])).toEqual([]);
});

test('what the guide to the kit shows is what the pages of its parts show', () => {
  const sections = readDocument('docs/guides/kit.md')
    .replaceAll(/^```\w+\n[\s\S]*?^```/gm, '')
    .split(/^## /m)
    .slice(1);
  const strange = sections.flatMap((section) => {
    const pages = [...section.matchAll(/\]\(\.\.\/\.\.\/(kit\/[\w/]+\/README\.md)\)/g)].map(([, path = '']) =>
      readDocument(path),
    );
    const blocks = [...section.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block = '']) => block.trimEnd().split('\n'));
    return blocks.flat().filter((line) => !pages.some((page) => page.includes(line.trim())));
  });
  expect(strange).toEqual([]);
});

test('the checkers of documents find a dead link, a dead heading, a dead path and a test that is not there', () => {
  const page = `
See [a](docs/nowhere.md), [b](docs/errors.md#no-such-heading), [fine](docs/errors.md#any-operation), [web](https://example.org).
\`kit/nowhere.ts\` and \`kit/runtime/host.ts\`, \`[code](nowhere.md)\`.
\`kit/runtime/host.test.ts\`: *stopping twice, at once or later, is one stop*, \`kit/runtime/host.test.ts\`: *a dream*.
`;
  expect(brokenLinks('x.md', page)).toEqual([
    'x.md links to docs/nowhere.md, which is not there',
    'x.md links to #no-such-heading of docs/errors.md, which has no such heading',
  ]);
  expect(missingPaths('x.md', page)).toEqual(['x.md names kit/nowhere.ts, which is not there']);
  expect(missingTests('x.md', page)).toEqual([
    'x.md cites a test of kit/runtime/host.test.ts that it has not: a dream',
  ]);
});
