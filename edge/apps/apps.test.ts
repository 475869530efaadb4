import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadApps } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hf-apps-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function build(name: string, base: string, pages: string[]): void {
  mkdirSync(join(folder, name, 'assets'), { recursive: true });
  const write = (path: string, text: string) => writeFileSync(join(folder, name, path), text);
  write('app.json', JSON.stringify({ name, base, pages }));
  write('index.html', `<p>${name}</p>`);
  write('mark.svg', '<svg/>');
  write('assets/main-abc.js', 'plain');
  write('assets/main-abc.js.br', 'brotli');
  write('assets/main-abc.js.gz', 'gzip');
  write('assets/notes.txt', 'of no known type');
}
build('storefront', '/', ['/', '/p/{slug}']);
build('till', '/till/', ['/till', '/till/sale/{id}']);
writeFileSync(join(folder, 'till', 'sw.js'), 'worker');
writeFileSync(join(folder, 'till', 'assets', 'reader-abc.wasm'), 'wasm');
const apps = loadApps(['storefront', 'till'].map((name) => join(folder, name)));
const page = { accept: 'text/html,*/*' };
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  apps.answer({ method, path, headers });

test('files with a hash are kept for ever, in the coding that the client likes best', () => {
  for (const [accepted, body] of [
    ['gzip, deflate, br', 'brotli'],
    ['gzip', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['', 'plain'],
  ] as const) {
    const reply = get('/assets/main-abc.js', { 'accept-encoding': accepted });
    expect(String(reply?.body)).toBe(body);
    expect(reply?.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      'content-type': 'text/javascript; charset=utf-8',
    });
  }
});

test('pages are asked for again, by a tag; 304 when it is known', () => {
  const reply = get('/p/rope', page);
  expect(reply).toMatchObject({ status: 200, headers: { 'cache-control': 'no-cache' } });
  const known = get('/p/rope', { ...page, 'if-none-match': String(reply?.headers['etag']) });
  expect([known?.status, known?.body]).toEqual([304, undefined]);
  const policy = 'content-security-policy';
  expect(known?.headers[policy], 'a 304 replaces kept headers').toBe(reply?.headers[policy]);
});

test('an app with a service worker lets it mind its pages, and only an app with WebAssembly may compile it', () => {
  expect(get('/till/sw.js')?.headers).toMatchObject({ 'service-worker-allowed': '/till', 'cache-control': 'no-cache' });
  expect(get('/till/assets/reader-abc.wasm')?.headers).toMatchObject({ 'content-type': 'application/wasm' });
  const policyOf = (path: string) => String(get(path, page)?.headers['content-security-policy']);
  expect(policyOf('/till')).toContain("script-src 'self' 'wasm-unsafe-eval';");
  expect(policyOf('/till')).toContain('trusted-types svelte-trusted-html holdfast-worker');
  expect(policyOf('/')).toContain("script-src 'self';");
  expect(policyOf('/')).not.toContain('holdfast-worker');
});

test('the paths of all apps can be told', () => {
  expect(apps.paths).toEqual({ storefront: '/', till: '/till/' });
});

test('each app has its paths; what is below none of its pages is 404, with the page that says so', () => {
  expect(String(get('/p/rope', page)?.body)).toBe('<p>storefront</p>');
  expect(String(get('/till', page)?.body)).toBe('<p>till</p>');
  expect(String(get('/till/sale/7', page)?.body)).toBe('<p>till</p>');
  expect(get('/till/sale/7/8', page)?.status).toBe(404);
  expect(get('/nowhere', page)?.status).toBe(404);
  expect(get('/nowhere', { accept: 'application/json' }), 'the API says that itself').toBeUndefined();
});

test('at / browsers get the page and programs the API; writes are never pages', () => {
  expect(get('/', page)).toMatchObject({ status: 200, headers: { vary: 'accept, accept-encoding' } });
  expect(get('/', { accept: '*/*' })).toBeUndefined();
  expect(get('/p/rope', page, 'POST')).toBeUndefined();
  expect(get('/p/rope', page, 'HEAD')?.status).toBe(200);
});

test('pages run nothing that is not ours and can not be framed', () => {
  const policy = String(get('/', page)?.headers['content-security-policy']);
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
    expect(policy).toContain(rule);
  }
  expect(policy).not.toContain('unsafe');
});

test('nothing outside of what was built can be read', () => {
  for (const path of ['/../package.json', '/assets/../app.json', '/app.json', '/assets/notes.txt', '/index.html']) {
    expect(get(path)).toBeUndefined();
  }
});
