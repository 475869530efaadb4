import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import { headerNames } from '#kit/contract';

/** Lower-case names. */
export type Headers = Record<string, string | string[] | undefined>;

/** Of one connection alone (RFC 9110 §7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'http2-settings', 'expect'],
]);

/** Of processes of ours among themselves: a client has none to send and none to see. */
const isOurs = (name: string): boolean => name.startsWith('holdfast-');

/** A client's request headers as the next hop gets them, with our word for where it comes from and which span of ours it is in. */
export function inwardHeaders(
  request: IncomingMessage | Http2ServerRequest,
  isTls: boolean,
  spanId: string | undefined,
): Headers {
  const headers: Headers = {};
  const named = namedIn(request.headers.connection);
  for (const name in request.headers) {
    const value = request.headers[name];
    if (name.startsWith(':') || hopByHop.has(name) || named.has(name) || isOurs(name) || value === undefined) continue;
    headers[name] = value;
  }
  const authority = request.headers[':authority']?.toString();
  if (authority !== undefined) headers['host'] ??= authority;
  const before = headers['x-forwarded-for'];
  const address = request.socket.remoteAddress ?? '';
  headers['x-forwarded-for'] = before === undefined ? address : `${before}, ${address}`;
  // The first of ours knows; those behind it keep what it said.
  if (isTls) headers['x-forwarded-proto'] = 'https';
  else headers['x-forwarded-proto'] ??= 'http';
  if (spanId !== undefined) headers[headerNames.hop] = spanId;
  return headers;
}

const none: ReadonlySet<string> = new Set();

/** Headers that a client means for this connection alone. */
function namedIn(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || connection === 'keep-alive') return none;
  const names = connection.toLowerCase().split(',');
  return new Set(names.map((name) => name.trim()));
}

/** A reply's headers as the hop before gets them: those of ours if that is one of ours too. */
export function outwardHeaders(headers: Headers, isToOurs: boolean): Headers {
  const outward: Headers = {};
  for (const name in headers) {
    if (!hopByHop.has(name) && (isToOurs || !isOurs(name))) outward[name] = headers[name];
  }
  return outward;
}

/** A client's own correlation id is kept, so that its log and ours can be joined; anything odd is replaced. */
export function isCorrelationId(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.:-]{8,64}$/.test(value);
}
