import { headerNames } from '#kit/contract';

/** What a client may not say: who it is, where it is, and what belongs to one connection alone (RFC 9110 §7.6.1). */
const kept = new Set([
  'authorization',
  'cookie',
  'forwarded',
  'x-real-ip',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'accept-encoding',
  'proxy-authorization',
  'proxy-connection',
  'x-correlation-id',
]);

type Incoming = Readonly<Record<string, string | string[] | undefined>>;

/** The headers of a client's request that services get to see. */
export function headersInward(headers: Incoming): Record<string, string> {
  const inward: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || kept.has(name) || isOurs(name) || name.startsWith('x-forwarded-')) continue;
    inward[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return inward;
}

const keptFromReplies = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date', 'trailer']);

/** Headers of ours that leave by a door: none to clients. */
export const toldToClients: ReadonlySet<string> = new Set();
/** A proxy of ours in front is told whose fault a failure is: it must not take a gateway for sick because a service behind it is. */
export const toldToProxies: ReadonlySet<string> = new Set([headerNames.fault]);

/** The headers of a service's reply that get out: those of ours only if they are `told`. */
export function headersOutward(
  headers: Readonly<Record<string, string>>,
  told: ReadonlySet<string>,
): Record<string, string> {
  const outward: Record<string, string> = {};
  for (const name in headers) {
    if (keptFromReplies.has(name) || (isOurs(name) && !told.has(name))) continue;
    outward[name] = headers[name] as string;
  }
  return outward;
}

function isOurs(name: string): boolean {
  return name.startsWith('holdfast-');
}

/**
 * Where a request comes from. Each proxy of ours appends the address that it saw to X-Forwarded-For, so with n of them
 * the nth from the right is the client; whatever stands further left, the client wrote himself.
 */
export function sourceAddress(remoteAddress: string, forwardedFor: string | undefined, trustedProxies: number): string {
  if (trustedProxies === 0 || forwardedFor === undefined) return remoteAddress;
  const seen = forwardedFor.split(',').map((part) => part.trim());
  const address = seen.at(-trustedProxies) ?? seen[0] ?? '';
  return /^[\da-fA-F:.]{2,45}$/.test(address) ? address : remoteAddress;
}

/** `Prefer: wait=N` (RFC 7240 §4.3) in seconds. */
export function waitPreference(prefer: string | undefined): number | undefined {
  const [, seconds] = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,5})\b/i.exec(prefer ?? '') ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}

/** Whether If-None-Match names this version (weak comparison, RFC 9110 §13.1.2). */
export function matchesNone(ifNoneMatch: string | undefined, etag: string | undefined): boolean {
  if (ifNoneMatch === undefined || etag === undefined) return false;
  const strong = (tag: string) => tag.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => strong(tag) === strong(etag));
}
