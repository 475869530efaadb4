import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { bits, integer, objectId, octets, sequence, setOf, tagged, text, time, yes } from './der.ts';

export interface CertificateFields {
  /** 1 to 20 bytes, unique for its issuer. */
  readonly serial: Uint8Array;
  readonly issuer: string;
  readonly subject: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  readonly use:
    | { readonly kind: 'authority'; readonly permits?: HostNames }
    | { readonly kind: 'process'; readonly uri: string }
    | { readonly kind: 'host'; readonly names: HostNames };
}

/** What a browser may look for in a certificate. */
export interface HostNames {
  /** `localhost`; what is below a name is permitted with it. */
  readonly dns: readonly string[];
  /** Addresses of IP version 4 or 6. */
  readonly ip: readonly string[];
}

const ids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const algorithm = sequence(objectId(ids.ecdsaWithSha256));

/**
 * An X.509 v3 certificate (RFC 5280) in PEM, signed with ECDSA P-256 and SHA-256. A process's fits the SPIFFE X.509-SVID
 * profile: one URI as its name, no authority, for both ends of a connection.
 */
export function signCertificate(fields: CertificateFields, signingKey: KeyObject): string {
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(fields.serial),
    algorithm,
    nameOf(fields.issuer),
    sequence(time(fields.notBeforeMs), time(fields.notAfterMs)),
    nameOf(fields.subject),
    fields.publicKey,
    tagged(0xa3, sequence(...keyIds(fields.publicKey, signingKey), ...extensionsOf(fields.use))),
  );
  const signature = sign('sha256', toBeSigned, signingKey);
  return pem(sequence(toBeSigned, algorithm, bits(signature)));
}

const nameOf = (commonName: string) => sequence(setOf(sequence(objectId(ids.commonName), text(commonName))));

const critical = (id: string, value: Buffer) => sequence(objectId(id), yes, octets(value));
const plain = (id: string, value: Buffer) => sequence(objectId(id), octets(value));

/** Names of both keys, by which a verifier finds the right authority among several of one name. */
function keyIds(publicKey: Uint8Array, signingKey: KeyObject): Buffer[] {
  const issuer = createPublicKey(signingKey).export({ type: 'spki', format: 'der' });
  return [
    plain(ids.subjectKeyId, octets(keyId(publicKey))),
    plain(ids.authorityKeyId, sequence(tagged(0x80, keyId(issuer)))),
  ];
}

/** RFC 7093 §2: the first 160 bits of a SHA-256. */
const keyId = (publicKey: Uint8Array) => createHash('sha256').update(publicKey).digest().subarray(0, 20);

function extensionsOf(use: CertificateFields['use']): Buffer[] {
  if (use.kind === 'authority') {
    // May sign certificates and revocation lists, but no further authority.
    const constraints = sequence(yes, integer(Buffer.from([0])));
    return [
      critical(ids.basicConstraints, constraints),
      critical(ids.keyUsage, bits(Buffer.from([0x06]), 1)),
      ...(use.permits ? [critical(ids.nameConstraints, sequence(tagged(0xa0, ...permittedOf(use.permits))))] : []),
    ];
  }
  const isHost = use.kind === 'host';
  const names = isHost ? namesOf(use.names) : [tagged(0x86, Buffer.from(use.uri, 'ascii'))];
  return [
    critical(ids.basicConstraints, sequence()),
    // digitalSignature
    critical(ids.keyUsage, bits(Buffer.from([0x80]), 7)),
    plain(ids.extendedKeyUsage, sequence(objectId(ids.serverAuth), ...(isHost ? [] : [objectId(ids.clientAuth)]))),
    plain(ids.subjectAltName, sequence(...names)),
  ];
}

/** GeneralName (RFC 5280 §4.2.1.6). */
const namesOf = ({ dns, ip }: HostNames): Buffer[] => [
  ...dns.map((name) => tagged(0x82, Buffer.from(name, 'ascii'))),
  ...ip.map((address) => tagged(0x87, bytesOfAddress(address))),
];

/** GeneralSubtree (RFC 5280 §4.2.1.10): an address is followed by its mask, here that of one host. */
const permittedOf = ({ dns, ip }: HostNames): Buffer[] => [
  ...dns.map((name) => sequence(tagged(0x82, Buffer.from(name, 'ascii')))),
  ...ip.map((address) => {
    const bytes = bytesOfAddress(address);
    return sequence(tagged(0x87, bytes, Buffer.alloc(bytes.length, 0xff)));
  }),
];

function bytesOfAddress(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // Of version 6, written out by the URL parser: at most one run of zeros is left out.
  const [before = '', after] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (text: string) => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)));
  const [head, tail] = [words(before), words(after ?? '')];
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
