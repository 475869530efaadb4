import type { IncomingMessage } from 'node:http';

/** Of these a request has one: of two, one reader takes the first and the next the last. */
const singular: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'authorization',
  'content-type',
]);
const namesSizeMin = Math.min(...[...singular].map((name) => name.length));
const namesSizeMax = Math.max(...[...singular].map((name) => name.length));

/** RFC 3986, section 3.2: a name or an address, and a port. */
const hostPattern = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i;

/** What is wrong with the head of a request though the parser let it pass (RFC 9112); undefined: nothing. */
export function flawInHead({
  httpVersion,
  httpVersionMajor,
  headers,
  rawHeaders,
}: IncomingMessage): string | undefined {
  if (httpVersionMajor !== 1) return `HTTP/${httpVersion} is not spoken here`;
  const { host, 'transfer-encoding': coding } = headers;
  if (host === undefined && httpVersion === '1.1') return 'the Host header is missing';
  if (host !== undefined && !hostPattern.test(host)) return 'the Host header is neither a name nor an address';
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked')
    return 'of transfer codings chunked alone is understood';
  const twice = nameTwice(rawHeaders);
  return twice && `the ${twice} header is there twice`;
}

/** The header that is there twice though a request has one of it. */
export function nameTwice(rawHeaders: readonly string[]): string | undefined {
  const seen: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const { length } = rawHeaders[i] as string;
    if (length < namesSizeMin || length > namesSizeMax) continue;
    const name = (rawHeaders[i] as string).toLowerCase();
    if (!singular.has(name)) continue;
    if (seen.includes(name)) return name;
    seen.push(name);
  }
  return undefined;
}
