/**
 * The till’s service worker: every file of one build, kept together, so that the till starts without a network. It never
 * touches calls to the shop; what a till says and hears is the page’s business, and on the device in IndexedDB.
 */

declare const BUILD: { readonly version: string; readonly home: string; readonly files: readonly string[] };

// What a worker has that a page has not; the types of both can’t be had at once.
interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends WorkerEvent {
  readonly request: Request;
  respondWith(reply: Promise<Response>): void;
}
interface WorkerScope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', listener: (event: WorkerEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}
const scope = self as unknown as WorkerScope;

const prefix = 'holdfast-till-';
const cacheName = `${prefix}${BUILD.version}`;
const files = new Set(BUILD.files);

/** All or nothing: a build of which a file is missing would break when the network is away. */
async function install(): Promise<void> {
  const cache = await caches.open(cacheName);
  const fresh = [BUILD.home, ...BUILD.files].map((url) => new Request(url, { cache: 'reload' }));
  await cache.addAll(fresh);
}

async function activate(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(prefix) && name !== cacheName);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

async function kept(url: string, request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  return (await cache.match(url, { ignoreVary: true })) ?? fetch(request);
}

scope.addEventListener('install', (event) => event.waitUntil(install()));
scope.addEventListener('activate', (event) => event.waitUntil(activate()));

// A new build waits until the page says that nothing is under way.
scope.addEventListener('message', ({ data }) => {
  if (data === 'take-over') void scope.skipWaiting();
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) return;
  const isPage = pathname === BUILD.home || pathname.startsWith(`${BUILD.home}/`);
  if (files.has(pathname)) event.respondWith(kept(pathname, request));
  else if (request.mode === 'navigate' && isPage) event.respondWith(kept(BUILD.home, request));
});

export {};
