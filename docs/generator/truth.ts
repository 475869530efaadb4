import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Finds what documents claim and the house doesn't bear out: links, paths, tests. Each claim is a sentence. */

const root = dirname(dirname(import.meta.dirname));

/** Every page that people read, by its path in the checkout. */
export function documentPaths(): string[] {
  const patterns = ['*.md', 'docs/**/*.md', '{kit,services,edge,lab,cli}/**/*.md'];
  return globSync(patterns, { cwd: root })
    .filter((path) => !path.includes('node_modules'))
    .sort();
}

export function readDocument(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Links whose file or heading is not there. */
export function brokenLinks(path: string, text: string): string[] {
  const broken: string[] = [];
  for (const [, target = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = '', anchor] = target.split('#');
    const to = file === '' ? path : relative(root, join(root, dirname(path), file));
    if (!existsSync(join(root, to))) broken.push(`${path} links to ${to}, which is not there`);
    else if (anchor !== undefined && !anchorsOf(file === '' ? text : readDocument(to)).has(anchor)) {
      broken.push(`${path} links to #${anchor} of ${to}, which has no such heading`);
    }
  }
  return broken;
}

function anchorsOf(text: string): Set<string> {
  const headings = [...withoutCode(text).matchAll(/^#+ +(.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
  const marks = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
  return new Set([...headings, ...marks]);
}

function withoutCode(text: string): string {
  return text
    .replaceAll(/^```[\s\S]*?^```/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => (code.includes('](') ? '' : code));
}

/**
 * Paths in back quotes, `services/orders/store.ts`, that are not there. Patterns with * or {} are left alone, and so are problems
 * that the page itself marks: `edge/unreachable` is none of a file.
 */
export function missingPaths(path: string, text: string): string[] {
  const paths = [...text.matchAll(/`((?:kit|contracts|services|edge|lab|cli|docs|test)\/[\w./-]+)`/g)];
  const isProblem = (named: string) => text.includes(`<a id="${named.replaceAll('/', '-')}">`);
  return paths.flatMap(([, named = '']) =>
    isProblem(named) || existsSync(join(root, named)) ? [] : [`${path} names ${named}, which is not there`],
  );
}

/** Tests cited as `file.test.ts`: *its name* that the file doesn't have. */
export function missingTests(path: string, text: string): string[] {
  return [...text.matchAll(/`([\w./-]+\.test\.ts)`: \*([^*]+)\*/g)].flatMap(([, file = '', name = '']) => {
    if (!existsSync(join(root, file))) return [`${path} cites ${file}, which is not there`];
    const source = readDocument(file).replaceAll("\\'", "'");
    return source.includes(name.replaceAll(/\s+/g, ' '))
      ? []
      : [`${path} cites a test of ${file} that it has not: ${name}`];
  });
}
