import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';

/**
 * Who may set an endpoint could otherwise have this system ask its own neighbours (SSRF): metadata services of clouds,
 * databases, admin pages. So addresses that are not of the public internet are refused, as they are looked up for the very
 * connection: a name that pointed elsewhere when it was checked gains nothing. IANA's special-purpose registries.
 */
const privateRanges: readonly (readonly [net: string, prefix: number, family: 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
];
/** Of IPv6 only what is handed out to the public counts (2000::/3), less what carries an IPv4 address or is for examples. */
const publicV6 = new BlockList();
publicV6.addSubnet('2000::', 3, 'ipv6');
const exceptV6 = new BlockList();
exceptV6.addSubnet('2001:db8::', 32, 'ipv6');
exceptV6.addSubnet('2001::', 23, 'ipv6');
exceptV6.addSubnet('2002::', 16, 'ipv6');
const privateV4 = new BlockList();
for (const [net, prefix, family] of privateRanges) privateV4.addSubnet(net, prefix, family);

export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !privateV4.check(address, 'ipv4');
  return family === 6 && publicV6.check(address, 'ipv6') && !exceptV6.check(address, 'ipv6');
}

/** What is wrong with an endpoint's address; undefined when nothing is, as far as can be seen before it is looked up. */
export function urlMistake(text: string, allowPrivate: boolean): string | undefined {
  if (!URL.canParse(text)) return 'is no URL';
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username || password) return 'holds a password: signatures say who we are';
  if (hash) return 'has a part after #, which is never sent';
  if (allowPrivate) return undefined;
  if (protocol !== 'https:') return 'is not https';
  // `localhost.` is the same name, said to be complete.
  const host = hostname.replace(/^\[|\]$|\.+$/g, '');
  if (isIP(host) !== 0 && !isPublicAddress(host)) return 'is a private address';
  return host === 'localhost' || host.endsWith('.localhost') ? 'is a private address' : undefined;
}

export class PrivateAddress extends Error {}

type Callback = (error: Error | null, addresses: LookupAddress[] | string, family?: number) => void;

/** As `dns.lookup`, for a connection: fails where a name leads to a private address. */
export function guardedLookup(
  hostname: string,
  options: { readonly all?: boolean | undefined; readonly family?: unknown; readonly hints?: number | undefined },
  callback: Callback,
): void {
  lookup(hostname, { all: true, ...(options.hints === undefined ? {} : { hints: options.hints }) }, (error, found) => {
    if (error) return callback(error, []);
    const wrong = found.find(({ address }) => !isPublicAddress(address));
    if (wrong) return callback(new PrivateAddress(`${hostname} leads to ${wrong.address}, a private address`), []);
    const [first] = found;
    if (options.all) callback(null, found);
    else if (first) callback(null, first.address, first.family);
    else callback(new Error(`${hostname} leads nowhere`), []);
  });
}
