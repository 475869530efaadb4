import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of all apps. */
export const appsFolder = join(import.meta.dirname, '..');

/** The apps there are, and where each is served. Its folder has `index.html`, `main.ts` and `pages.ts`. */
const known = [
  { name: 'storefront', base: '/' },
  { name: 'till', base: '/till/' },
  { name: 'console', base: '/console/' },
] as const;

export interface App {
  readonly name: string;
  /** The path at which it is served, with slashes at both ends. */
  readonly base: string;
}

export const apps: readonly App[] = known.filter(({ name }) => existsSync(join(appsFolder, name, 'index.html')));
