import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { buildApps } from '../../cli/apps.ts';
import { publicContracts } from '../../cli/compose.ts';
import { apps, appsFolder } from './apps.ts';
import { contractTables } from './contracts.ts';

const sources = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|svelte)$/.test(path) && !path.endsWith('.test.ts'))
    .map((path) => join(folder, path));

const paths = [
  ...new Set(publicContracts.flatMap(({ operations }) => Object.values(operations).map(({ path }) => path))),
];
const shape = (path: string) => path.split('/').map((part) => (part.startsWith('{') ? '*' : part));

/** Whether some URL fits both. */
function collide(page: string, path: string): boolean {
  const [a, b] = [shape(page), shape(path)];
  return a.length === b.length && a.every((part, i) => part === '*' || b[i] === '*' || part === b[i]);
}

test('no page lies where the API has an operation', async () => {
  const pages: string[] = [];
  for (const { name } of apps) {
    const module = (await import(`../${name}/pages.ts`)) as { readonly pages: Readonly<Record<string, string>> };
    pages.push(...Object.values(module.pages).filter((page) => page !== '/'));
  }
  expect(pages.length).toBeGreaterThan(5);
  const collisions = pages.flatMap((page) => paths.filter((path) => collide(page, path)).map((path) => [page, path]));
  expect(collisions).toEqual([]);
  expect(collide('/orders/{id}', '/orders/export')).toBe(true);
});

test('no app writes the path of an operation by hand', () => {
  const roots = new Set(paths.map((path) => path.split('/')[1]));
  const written = sources(appsFolder)
    .filter((file) => !file.endsWith('pages.ts') && !file.includes('/build/'))
    .flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/['"`](\/[a-z-]+)[/'"`?]/g)].map(([, path = '']) => `${file} ${path}`),
    )
    .filter((found) => roots.has(found.split(' /').at(-1)));
  expect(written).toEqual([]);
});

test('a contract in a bundle is a table: no schema, and nothing that is for services alone', async () => {
  const plugin = contractTables();
  const load = plugin.load as (id: string) => Promise<string>;
  const text = await load('\0contract:inventory');
  expect(text).toContain('"availability":{"method":"GET","path":"/inventory/availability"');
  expect(text).not.toContain('"hold"');
  expect(text).not.toMatch(/pattern|maxLength|description/);
});

test('a module of nothing but functions is taken as it is', async () => {
  const load = contractTables().load as (id: string) => Promise<string>;
  expect(await load('\0contract:pricing')).toMatch(/^export \* from ".*contracts\/pricing\.ts";$/);
  expect(await load('\0contract:order-goods')).toMatch(/^export \* from /);
});

test('what is built has no schema library in it and every file is small', async () => {
  const { folders, failures } = await buildApps();
  expect(failures.filter((failure) => failure.startsWith('storefront'))).toEqual([]);
  const assets = join(folders.find((folder) => basename(folder).startsWith('storefront-')) ?? '', 'assets');
  const scripts = readdirSync(assets).filter((name) => name.endsWith('.js'));
  expect(scripts.length).toBeGreaterThan(3);
  for (const name of scripts)
    expect(readFileSync(join(assets, name), 'utf8')).not.toMatch(/typebox|additionalProperties/);
});
