import { generateKeyPairSync } from 'node:crypto';
import { type Authority, createAuthority, type ProcessName } from '#kit/mesh';
import type { World } from '#kit/runtime';
import type { ServicesConfig } from '../../cli/services.ts';
import { authorityFolder, type Issue, nameOf } from '../../cli/signing.ts';
import type { TlsCredentials } from './proxy/http.ts';
import type { ActiveFault } from './proxy/tcp.ts';

/** The authority of a run: certificates are so short-lived that every process renews several times while things break. */
export interface LabAuthority {
  readonly issue: Issue;
  /** Signs nothing more for a process, until healed. */
  refuse(process: string): ActiveFault;
}

/** Renewed after about half of it. Shorter finds more about renewals, and costs more handshakes. */
export const certificateLifetimeMs = 30_000;

export function createLabAuthority(dataDir: string, { clock, random }: World): LabAuthority {
  const authority = createAuthority({
    ...{ clock, random, folder: authorityFolder(dataDir), lifetimeMs: certificateLifetimeMs },
  });
  const refusals = new Set<{ readonly process: string; strikes: number }>();
  return {
    issue(publicKey, name) {
      const inForce = [...refusals].filter(({ process }) => process === name.process);
      for (const refusal of inForce) refusal.strikes += 1;
      if (inForce.length > 0) throw new Error('the laboratory keeps the authority away');
      return authority.issue(publicKey, name);
    },
    refuse(process) {
      const refusal = { process, strikes: 0 };
      refusals.add(refusal);
      return { strikes: () => refusal.strikes, heal: () => void refusals.delete(refusal) };
    },
  };
}

/** What lets a proxy stand for a process of the mesh. The laboratory may: it holds the authority of the data directory. */
export type CredentialsOf = (process: string) => TlsCredentials;

/** Longer than any run, so that a proxy never has to renew. */
const lifetimeMs = 7 * 86_400_000;

export function createCredentials(
  configs: readonly ServicesConfig[],
  dataDir: string,
  { clock, random }: World,
): CredentialsOf {
  const authority = createAuthority({ clock, random, folder: authorityFolder(dataDir), lifetimeMs });
  return (process) => {
    const config = configs.find((each) => each.process === process);
    if (!config) throw new Error(`there is no process ${process}`);
    return credentialsFrom(authority, nameOf(config));
  };
}

export function credentialsFrom(authority: Authority, name: ProcessName): TlsCredentials {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const { certificate, trust } = authority.issue(publicKey, name);
  return { key: privateKey, cert: certificate, ca: trust };
}
