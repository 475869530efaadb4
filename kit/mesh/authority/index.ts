import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Random } from '#kit/runtime';
import { formatName, type ProcessName } from '../identity/name.ts';
import { type CertificateFields, type HostNames, signCertificate } from './certificate.ts';

/** What a process is given to show who it is, and to tell who others are. The private key stays where it was made. */
export interface Issued {
  /** PEM. */
  readonly certificate: string;
  /** Certificates of the authorities to trust, PEM. */
  readonly trust: string;
  /** Hexadecimal, as OpenSSL shows it. */
  readonly serial: string;
  /** How long it is good for from now on; a duration, since the clocks of two machines differ. */
  readonly lifetimeMs: number;
}

/** Signs who is who. Whoever can call it can be anyone: it belongs into the one process that starts the others. */
export interface Authority {
  readonly trust: string;
  /** `publicKey` is SubjectPublicKeyInfo in PEM, of a P-256 key. */
  issue(publicKey: string, name: ProcessName): Issued;
  /** For a server that browsers talk to, under one of the names that the authority is for. */
  issueHost(publicKey: string, names: HostNames): Issued;
}

export interface AuthorityOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where its key and certificate are kept, in files of mode 0600; made when there are none. Absent: in memory only. */
  readonly folder?: string;
  /** Of what it signs. Default 1 hour. Shorter limits what a stolen key is good for, and is renewed more often. */
  readonly lifetimeMs?: number;
  /** Default `Holdfast local authority`. */
  readonly name?: string;
  /**
   * The only names that it is believed about, by whoever checks name constraints as browsers do. So a person who trusts it
   * risks no other site, whoever gets its key. Absent: any.
   */
  readonly permits?: HostNames;
}

const nameDefault = 'Holdfast local authority';
const authorityLifetimeMs = 10 * 365 * 86_400_000;
const lifetimeMsDefault = 3_600_000;
/** A certificate is good from a little before it was made: the clock of its reader may be behind. */
const backdatedMs = 5 * 60_000;

export function createAuthority(options: AuthorityOptions): Authority {
  const { clock, random, folder, lifetimeMs = lifetimeMsDefault, name: issuer = nameDefault } = options;
  const { key, certificate } = (folder && kept(folder)) || made(options);

  function sign(publicKey: string, subject: string, use: CertificateFields['use']): Issued {
    const parsed = createPublicKey(publicKey);
    if (parsed.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      throw new Error(`authority: ${subject} asked for a certificate of a key that is not on P-256`);
    }
    const serial = newSerial(random);
    const notBeforeMs = clock.now() - backdatedMs;
    const notAfterMs = clock.now() + lifetimeMs;
    const spki = parsed.export({ type: 'spki', format: 'der' });
    const signed = signCertificate({ serial, issuer, subject, notBeforeMs, notAfterMs, publicKey: spki, use }, key);
    return { certificate: signed, trust: certificate, serial: serial.toString('hex').toUpperCase(), lifetimeMs };
  }

  return {
    trust: certificate,
    issue: (publicKey, name) => sign(publicKey, name.process, { kind: 'process', uri: formatName(name) }),
    issueHost: (publicKey, names) => sign(publicKey, names.dns[0] ?? names.ip[0] ?? '', { kind: 'host', names }),
  };
}

interface KeyAndCertificate {
  readonly key: KeyObject;
  readonly certificate: string;
}

/** 16 random bytes, positive and with no leading zero, so that OpenSSL shows them just as they are. */
function newSerial(random: Random): Buffer {
  const serial = Buffer.from(random.bytes(16));
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

function made({ clock, random, folder, name = nameDefault, permits }: AuthorityOptions): KeyAndCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const certificate = signCertificate(
    {
      serial: newSerial(random),
      issuer: name,
      subject: name,
      notBeforeMs: clock.now() - backdatedMs,
      notAfterMs: clock.now() + authorityLifetimeMs,
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      use: { kind: 'authority', ...(permits ? { permits } : {}) },
    },
    privateKey,
  );
  if (folder) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const text = privateKey.export({ type: 'pkcs8', format: 'pem' }) + certificate;
    // In one file and in one write, so that key and certificate are of one piece; `wx`: never over another's.
    writeFileSync(join(folder, fileName), text, { mode: 0o600, flag: 'wx' });
  }
  return { key: privateKey, certificate };
}

const fileName = 'authority.pem';

function kept(folder: string): KeyAndCertificate | undefined {
  const path = join(folder, fileName);
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  if (mode === undefined) return undefined;
  if ((mode & 0o077) !== 0) {
    throw new Error(
      `${path} can be read by others, so its key may be known: remove it for a new authority, or chmod 600 it.`,
    );
  }
  const text = readFileSync(path, 'utf8');
  const certificate = text.slice(text.indexOf('-----BEGIN CERTIFICATE-----'));
  const key = createPrivateKey(text);
  if (!new X509Certificate(certificate).checkPrivateKey(key)) {
    throw new Error(`${path} holds a key and a certificate that don't belong together: remove it for a new authority.`);
  }
  return { key, certificate };
}
