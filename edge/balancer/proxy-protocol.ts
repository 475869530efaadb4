import { isIPv4, isIPv6 } from 'node:net';

/**
 * PROXY protocol version 2 (HAProxy, 2.2 of its specification): one header before the first byte that tells who connected, for
 * servers behind a balancer that sees no requests.
 */
export interface Addresses {
  readonly source: { readonly host: string; readonly port: number };
  readonly destination: { readonly host: string; readonly port: number };
}

const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const proxyCommand = 0x21;
const localCommand = 0x20;
const headLength = 16;
/** Longest header that is accepted: addresses, and room for what others add. */
const lengthMax = 536;

export function encodeProxyHeader({ source, destination }: Addresses): Buffer {
  const [from, to] = [plain(source.host), plain(destination.host)];
  const isV4 = isIPv4(from) && isIPv4(to);
  const isV6 = isIPv6(from) && isIPv6(to);
  // Of addresses that don't fit together nothing can be said (LOCAL).
  if (!isV4 && !isV6) return Buffer.concat([signature, Buffer.from([localCommand, 0, 0, 0])]);
  const addresses = Buffer.concat([bytesOf(from), bytesOf(to), portOf(source.port), portOf(destination.port)]);
  const head = Buffer.from([proxyCommand, isV4 ? 0x11 : 0x21, 0, addresses.length]);
  return Buffer.concat([signature, head, addresses]);
}

export type Parsed =
  | { readonly is: 'incomplete' }
  | { readonly is: 'refused'; readonly why: string }
  | { readonly is: 'header'; readonly length: number; readonly addresses: Addresses | undefined };

/** Reads a header from the beginning of what has come so far. */
export function parseProxyHeader(bytes: Buffer): Parsed {
  const known = Math.min(bytes.length, signature.length);
  if (!bytes.subarray(0, known).equals(signature.subarray(0, known))) return { is: 'refused', why: 'no PROXY header' };
  if (bytes.length < headLength) return { is: 'incomplete' };
  const [command = 0, family = 0] = bytes.subarray(12, 14);
  const length = headLength + bytes.readUInt16BE(14);
  if (command !== proxyCommand && command !== localCommand) return { is: 'refused', why: 'another version or command' };
  if (length > lengthMax) return { is: 'refused', why: 'the PROXY header is too long' };
  if (bytes.length < length) return { is: 'incomplete' };
  if (command === localCommand) return { is: 'header', length, addresses: undefined };
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (size === 0) return { is: 'header', length, addresses: undefined };
  if (length < headLength + 2 * size + 4) return { is: 'refused', why: 'the PROXY header is too short' };
  const at = (offset: number) => bytes.subarray(headLength + offset, headLength + offset + size);
  const ports = headLength + 2 * size;
  const addresses: Addresses = {
    source: { host: textOf(at(0)), port: bytes.readUInt16BE(ports) },
    destination: { host: textOf(at(size)), port: bytes.readUInt16BE(ports + 2) },
  };
  return { is: 'header', length, addresses };
}

/** IPv4 written as IPv6 is IPv4. */
const plain = (host: string): string => (host.startsWith('::ffff:') && isIPv4(host.slice(7)) ? host.slice(7) : host);

function portOf(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

function bytesOf(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from(host.split('.').map(Number));
  const [head = '', tail] = host.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [
    ...left,
    ...Array<string>(tail === undefined ? 0 : 8 - left.length - right.length).fill('0'),
    ...right,
  ];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  return bytes;
}

function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':');
}
