import type { TLSSocket } from 'node:tls';
import { meshProblems } from '../problems.ts';
import { type ProcessName, parseName } from './name.ts';

/** The process at the other end of a connection, as its certificate says. */
export interface Peer {
  readonly name: ProcessName;
  readonly serial: string;
  /**
   * How long a connection that begins with it may last: half of its lifetime, after which an honest peer has a new one.
   * A duration, because OpenSSL has compared the times in the handshake and wall clocks may be set.
   */
  readonly servedMs: number;
}

/**
 * Who is at the other end. Throws the problem that says why it is nobody of ours: no certificate, an expired one, one
 * that another authority signed, one without a name. OpenSSL has checked chain and times in the handshake, which every
 * connection makes anew: sessions are not resumed.
 */
export function peerOf(socket: TLSSocket): Peer {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) throw meshProblems['no-identity']();
  const who = certificate.subjectAltName ?? certificate.subject;
  if (!socket.authorized) throw unauthorized(socket, who, certificate.validTo);
  const name = parseName(/^URI:([^,]+)$/.exec(certificate.subjectAltName ?? '')?.[1] ?? '');
  if (!name) throw meshProblems['identity-foreign']({ detail: `${who} is no name of a process` });
  const servedMs = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 2;
  return { name, serial: certificate.serialNumber, servedMs };
}

function unauthorized(socket: TLSSocket, who: string, validTo: string): Error {
  // Node's types say Error; it is the code or an error that has it.
  const error = socket.authorizationError as unknown as string | { readonly code?: string } | null;
  const code = typeof error === 'string' ? error : (error?.code ?? 'not verified');
  return code === 'CERT_HAS_EXPIRED'
    ? meshProblems['identity-expired']({ detail: `${who}, good until ${validTo}` })
    : meshProblems['identity-foreign']({ detail: `${who}: ${code}` });
}

export function checkNotRevoked({ name, serial }: Peer, revoked: ReadonlySet<string>): void {
  if (!revoked.has(serial)) return;
  throw meshProblems['identity-revoked']({ detail: `${name.process}, serial number ${serial}` });
}
