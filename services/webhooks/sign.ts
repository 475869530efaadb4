import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

/** Signatures and secrets of Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks, spec). */

const secretPrefix = 'whsec_';
/** The specification wants 24 to 64. */
export const secretSizeBytes = 32;

export const secretText = (secret: Uint8Array): string => `${secretPrefix}${Buffer.from(secret).toString('base64')}`;

/** `v1,` and the HMAC-SHA256 of id, time and body; one for each secret, with spaces between, while it is changed over. */
export function signaturesOf(
  secrets: readonly Uint8Array[],
  { id, timestampSec, body }: { readonly id: string; readonly timestampSec: number; readonly body: string },
): string {
  const content = `${id}.${timestampSec}.${body}`;
  return secrets.map((secret) => `v1,${createHmac('sha256', secret).update(content).digest('base64')}`).join(' ');
}

const nonceSizeBytes = 12;
const tagSizeBytes = 16;

/** Keeps secrets from whoever reads the database alone: AES-256-GCM, bound to the endpoint it is of. */
export interface Seal {
  close(endpointId: string, secret: Uint8Array, nonce: Uint8Array): Uint8Array;
  open(endpointId: string, sealed: Uint8Array): Uint8Array;
}

export function createSeal(keyEncryptionSecret: string | Uint8Array): Seal {
  const key = new Uint8Array(hkdfSync('sha256', keyEncryptionSecret, 'holdfast webhooks', 'endpoint secrets', 32));
  return {
    close(endpointId, secret, nonce) {
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(endpointId));
      return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    },
    open(endpointId, sealed) {
      const nonce = sealed.subarray(0, nonceSizeBytes);
      const tag = sealed.subarray(sealed.length - tagSizeBytes);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(endpointId)).setAuthTag(tag);
      const body = sealed.subarray(nonceSizeBytes, sealed.length - tagSizeBytes);
      return Buffer.concat([decipher.update(body), decipher.final()]);
    },
  };
}

export const sealNonceSizeBytes = nonceSizeBytes;
