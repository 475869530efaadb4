import { generateKeyPairSync } from 'node:crypto';
import { type Authority, createAuthority, type ProcessName } from '#kit/mesh';
import type { World } from '#kit/runtime';
import type { ServicesConfig } from '../../cli/services.ts';
import { authorityFolder, nameOf } from '../../cli/signing.ts';
import type { TlsCredentials } from './proxy/http.ts';

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
