import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { build, type InlineConfig, type Plugin } from 'vite';
import { type App, appsFolder } from './apps.ts';
import { contractTables } from './contracts.ts';

/** Browsers of the last two years: they know `light-dark()`, nesting and `:has()`. */
const browsers = ['chrome123', 'firefox124', 'safari17.5'];

export function configOf({ name, base }: App, outFolder: string): InlineConfig {
  return {
    configFile: false,
    root: join(appsFolder, name),
    base,
    logLevel: 'error',
    plugins: [sharedHead(), contractTables(), svelte({ configFile: false })],
    build: {
      outDir: outFolder,
      emptyOutDir: true,
      target: browsers,
      cssTarget: browsers,
      // An inlined file would need `data:` in the content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  };
}

/** What all pages begin with (`ui/head.html`): an app writes what is its own. Before Vite looks for files that are named there. */
function sharedHead(): Plugin {
  const head = readFileSync(join(appsFolder, 'ui/head.html'), 'utf8');
  return {
    name: 'shared head',
    transformIndexHtml: { order: 'pre', handler: (page) => page.replace('<head>', () => `<head>\n${head}`) },
  };
}

/** Builds one app into a folder, ready to be served: compressed, and with a list of its pages. */
export async function buildApp(app: App, outFolder: string): Promise<void> {
  await build(configOf(app, outFolder));
  if (existsSync(join(appsFolder, app.name, 'sw.ts'))) await buildWorker(app, outFolder);
  const { pages } = (await import(`../${app.name}/pages.ts`)) as { readonly pages: Readonly<Record<string, string>> };
  writeFileSync(join(outFolder, 'app.json'), JSON.stringify({ ...app, pages: Object.values(pages) }, null, 2));
  precompress(outFolder);
}

/**
 * `sw.ts` of an app becomes `sw.js` beside its pages: one script that knows every file of this build, and a version that
 * changes when any of them does.
 */
async function buildWorker({ name, base }: App, outFolder: string): Promise<void> {
  const paths = readdirSync(outFolder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.\w+$/.test(path));
  const version = createHash('sha256');
  for (const path of paths.sort()) version.update(`${path}\0`).update(readFileSync(join(outFolder, path)));
  const files = paths.filter((path) => path !== 'index.html').map((path) => `${base}${path}`);
  const home = base.replace(/\/$/, '');
  await build({
    configFile: false,
    root: join(appsFolder, name),
    logLevel: 'error',
    publicDir: false,
    define: { BUILD: JSON.stringify({ version: version.digest('hex').slice(0, 16), home, files }) },
    build: {
      outDir: outFolder,
      emptyOutDir: false,
      target: browsers,
      reportCompressedSize: false,
      rolldownOptions: {
        input: join(appsFolder, name, 'sw.ts'),
        output: { format: 'iife', entryFileNames: 'sw.js' },
      },
    },
  });
}

const compressible = /\.(?:js|css|html|svg|webmanifest)$/;

/** Once, at the best level, so that serving costs nothing. What hardly shrinks is left as it is. */
function precompress(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!compressible.test(path)) continue;
    const plain = readFileSync(join(folder, path));
    const variants = {
      br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
      gz: gzipSync(plain, { level: 9 }),
    };
    for (const [ending, bytes] of Object.entries(variants)) {
      if (bytes.length < 0.9 * plain.length) writeFileSync(join(folder, `${path}.${ending}`), bytes);
    }
  }
}
