import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Reply } from '#kit/runtime';

/** What is asked for, as far as pages depend on it. */
export interface PageRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Apps {
  /** The path of each app, by its name: `{ storefront: '/' }`. */
  readonly paths: Readonly<Record<string, string>>;
  /** The page or file of an app, or undefined when no app has it. */
  answer(request: PageRequest): Reply | undefined;
}

interface StoredFile {
  readonly type: string;
  /** With a 304, too: its headers replace those that the browser has kept. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its name changes with its content, so it is kept for ever. */
  readonly isHashed: boolean;
  readonly etag: string;
  readonly plain: Buffer;
  readonly br?: Buffer;
  readonly gzip?: Buffer;
}

interface StoredApp {
  readonly name: string;
  readonly base: string;
  readonly pages: readonly RegExp[];
  readonly index: StoredFile;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
};

/**
 * Scripts, styles and calls of our own only; nothing inline, no frames, no plug-ins, no forms that leave. Pictures of
 * products may come from wherever the shop keeps them, over TLS. Text becomes markup through Svelte's own policy alone. An
 * app with a service worker names it through a policy of its own; an app with WebAssembly, which reads bar codes where the
 * browser can't, may compile it.
 */
const contentSecurityPolicy = ({ hasWorker, hasWasm }: { hasWorker: boolean; hasWasm: boolean }): string =>
  [
    "default-src 'none'",
    `script-src 'self'${hasWasm ? " 'wasm-unsafe-eval'" : ''}`,
    "style-src 'self'",
    "connect-src 'self'",
    "font-src 'self'",
    "img-src 'self' data: https:",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    `trusted-types svelte-trusted-html${hasWorker ? ' holdfast-worker' : ''}`,
  ].join('; ');

const commonHeaders = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  // The till's camera reads barcodes, its receipts go to a printer; nothing else of a device is asked for.
  'permissions-policy': 'camera=(self), geolocation=(), microphone=(), payment=(), usb=(self), serial=(self)',
};

/**
 * Serves built apps from memory: some hundred kilobytes that a disk need not be asked for. `folders` are what
 * `apps/build` makes, one an app, with `app.json` (its base path and pages), `index.html` and the files beside it,
 * compressed already. A name with a hash is kept by browsers for ever, anything else is asked for again, by ETag.
 */
export function loadApps(folders: readonly string[]): Apps {
  const files = new Map<string, StoredFile>();
  const apps = folders
    .map((folder) => loadApp(folder, files))
    // The longest base first: what is not below `/till/` or `/console/` is the storefront's.
    .sort((a, b) => b.base.length - a.base.length);

  return {
    paths: Object.fromEntries(apps.map(({ name, base }) => [name, base])),
    answer({ method, path, headers }) {
      if (method !== 'GET' && method !== 'HEAD') return undefined;
      const file = files.get(path);
      if (file) return send(file, headers);
      const app = apps.find(({ base }) => path.startsWith(base) || `${path}/` === base);
      if (!app) return undefined;
      const wantsPage = String(headers['accept'] ?? '').includes('text/html');
      // `/` is the index of the API as well, for whoever does not ask for a page.
      if (path === '/') return wantsPage ? send(app.index, headers, { vary: 'accept, accept-encoding' }) : undefined;
      const isPage = app.pages.some((page) => page.test(path.length > 1 ? path.replace(/\/$/, '') : path));
      if (isPage) return send(app.index, headers);
      return wantsPage ? { ...send(app.index, {}), status: 404 } : undefined;
    },
  };
}

/** What `apps/build` calls a service worker. */
const workerName = 'sw.js';

function loadApp(folder: string, files: Map<string, StoredFile>): StoredApp {
  const { name, base, pages } = JSON.parse(readFileSync(join(folder, 'app.json'), 'utf8')) as {
    readonly name: string;
    readonly base: string;
    readonly pages: readonly string[];
  };
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const policy = contentSecurityPolicy({
    hasWorker: paths.includes(workerName),
    hasWasm: paths.some((path) => path.endsWith('.wasm')),
  });
  const pageHeaders = { ...commonHeaders, 'content-security-policy': policy };
  // A worker minds the app's own page as well, whose path ends without the slash.
  const workerHeaders = { ...pageHeaders, 'service-worker-allowed': base.replace(/(?<=.)\/$/, '') };
  for (const path of paths) {
    const type = types[extname(path)];
    if (type === undefined) continue;
    const headers = path === workerName ? workerHeaders : pageHeaders;
    files.set(`${base}${path}`, loadFile(join(folder, path), path, type, headers));
  }
  const index = files.get(`${base}index.html`);
  if (!index) throw new Error(`the app in ${folder} has no index.html: build it anew (node apps/build/main.ts)`);
  files.delete(`${base}index.html`);
  return { name, base, pages: pages.map(patternOf), index };
}

function loadFile(file: string, path: string, type: string, headers: StoredFile['headers']): StoredFile {
  const plain = readFileSync(file);
  const [br, gzip] = [`${file}.br`, `${file}.gz`].map((name) => (existsSync(name) ? readFileSync(name) : undefined));
  return {
    type,
    headers,
    isHashed: path.startsWith('assets/'),
    etag: hash('sha256', plain, 'hex').slice(0, 20),
    plain,
    ...(br ? { br } : {}),
    ...(gzip ? { gzip } : {}),
  };
}

/** `/p/{slug}` as an expression. */
function patternOf(page: string): RegExp {
  return new RegExp(`^${page.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}

function send(file: StoredFile, headers: PageRequest['headers'], more: Readonly<Record<string, string>> = {}): Reply {
  const accepted = String(headers['accept-encoding'] ?? '');
  const coding =
    file.br && accepts(accepted, 'br') ? 'br' : file.gzip && accepts(accepted, 'gzip') ? 'gzip' : undefined;
  const common = {
    // A compressed file is another representation, so it has a tag of its own (RFC 9110 §8.8.3.3).
    etag: coding ? `"${file.etag};${coding}"` : `"${file.etag}"`,
    'cache-control': file.isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept-encoding',
    ...file.headers,
    ...more,
  };
  // What a browser sends back comes without the name of the coding (kit/contract/http-compression.ts).
  const known = String(headers['if-none-match'] ?? '');
  if (known.includes(file.etag)) return { status: 304, headers: common };
  return {
    status: 200,
    headers: {
      ...common,
      'content-type': file.type,
      ...(coding ? { 'content-encoding': coding } : {}),
    },
    body: coding ? file[coding] : file.plain,
  };
}

/** Named and not refused by `q=0`. */
function accepts(header: string, coding: string): boolean {
  return header.split(',').some((part) => {
    const [name = '', weight = ''] = part.split(';');
    return name.trim() === coding && !/^\s*q=0(?:\.0*)?\s*$/.test(weight);
  });
}
