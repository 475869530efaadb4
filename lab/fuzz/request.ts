import type { Operation } from './api.ts';
import type { Request } from './deeds.ts';
import type { Pool } from './pool.ts';
import { type Draw, fitting, spoilt } from './schema.ts';

export interface Shot {
  readonly method: string;
  /** With query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The id in its path. */
  readonly about?: string;
}

const oddSegments = ['%00', '%ff', '..%2f..', 'a'.repeat(3_000), '%F0%9F%98%80', 'me', '*', '%0d%0aset-cookie:a'];
const oddKeys = ['', ' ', 'k', 'k'.repeat(255), 'k'.repeat(256), '"quoted"', 'k é', 'a,b', '__proto__'];
const oddQueries = [
  'limit=0',
  'limit=1e3',
  'limit=-1',
  'limit=1&limit=2',
  'cursor=W10',
  'cursor=%00',
  'x',
  '&&=&',
  '%',
  'q=%ff',
];

/** How the device of a till says which it is. */
const deviceKey = { pattern: '^till_[0-9A-Z]{26}\\.' };

/** A request to the operation: whole three times of five, else with something wrong in its path, query, headers or body. */
export function drawShot(operation: Operation, draw: Draw, pool: Pool, serial: string): Shot {
  const wrong = draw.pick(['', '', '', 'part', 'text'] as const);
  const spoilsHere = () => wrong === 'part' && draw.once(3);

  const query: string[] = [];
  let path = operation.path;
  let about: string | undefined;
  const headers: Record<string, string> = {};
  pool.turnTo(undefined);
  // Path first: it says what the rest is about.
  const inPath = operation.parameters.filter((one) => one.in === 'path');
  const others = operation.parameters.filter((one) => one.in !== 'path');
  for (const { name, in: place, required, schema } of [...inPath, ...others]) {
    if (place !== 'path' && !required && !draw.once(4)) continue;
    if (place === 'header') {
      const value = headerFor(name, serial, draw, pool);
      headers[name.toLowerCase()] = spoilsHere() ? draw.pick(oddKeys) : value;
      continue;
    }
    const value = fitting(schema, name, draw, pool);
    const texts = (Array.isArray(value) ? value : [value]).map((one) => encodeURIComponent(String(one)));
    if (place === 'path') {
      about ??= String(value);
      pool.turnTo(about);
      path = path.replace(`{${name}}`, spoilsHere() ? draw.pick(oddSegments) : texts.join());
    } else query.push(...texts.map((text) => `${name}=${text}`));
  }
  if (spoilsHere()) query.push(draw.pick(oddQueries));
  const url = query.length > 0 ? `${path}?${query.join('&')}` : path;
  const request = { method: operation.method, url, headers, ...(about === undefined ? {} : { about }) };
  if (!operation.body) return request;

  const { media, schema } = operation.body;
  headers['content-type'] = media;
  const value = fitting(schema, '', draw, pool);
  let body = JSON.stringify(wrong === 'part' && draw.once(2) ? spoilt(value, draw) : value) ?? '';
  if (wrong === 'text') body = spoiltText(body, draw);
  return { ...request, body };
}

/** The request as somebody makes it who knows what he wants. */
export function shotOf(
  operation: Operation,
  { path = {}, query = {}, body, headers = {} }: Request,
  key: string,
): Shot {
  const wanted = operation.parameters.filter((one) => one.in === 'header' && one.required);
  const given: Record<string, string> = {};
  for (const { name } of wanted) {
    if (name === 'Idempotency-Key') given['idempotency-key'] = key;
    if (name === 'If-Match') given['if-match'] = '*';
  }
  const url = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name])));
  const search = new URLSearchParams(query).toString();
  const [about] = Object.values(path);
  return {
    method: operation.method,
    url: search === '' ? url : `${url}?${search}`,
    headers: { ...given, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(about === undefined ? {} : { about: String(about) }),
  };
}

function headerFor(name: string, serial: string, draw: Draw, pool: Pool): string {
  if (name === 'Idempotency-Key') return draw.once(8) ? 'fuzz-again' : `fuzz-${serial}`;
  if (name === 'Prefer')
    return draw.pick(['wait=1', 'wait=0', 'wait=99999', 'wait=-1', 'wait=x', 'wait="2", respond-async']);
  if (name === 'till-key') return draw.pick([...pool.fitting(deviceKey, 'key').flat(), 'till_0.x']);
  const etags = pool.fitting({}, 'etag').flat();
  return etags.length > 0 && draw.once(2) ? draw.pick(etags) : draw.pick(['*', '"1"']);
}

function spoiltText(body: string, draw: Draw): string {
  return draw.pick([
    () => '',
    () => body.slice(0, draw.below(body.length + 1)),
    () => `${body}${body}`,
    () => body.replace(/"[^"]*"/, '"\\u0000"'),
    () => body.replace(/"[^"]*"/, '"\\ud800"'),
    () => `${'['.repeat(40)}${']'.repeat(40)}`,
    () => '"',
    () => 'null',
    () => '[]',
    () => `{"a":1,"a":2}`,
    () => `\uFEFF${body}`,
  ])();
}
