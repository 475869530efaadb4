import { createPublicKey, type JsonWebKey, KeyObject, sign, verify, webcrypto } from 'node:crypto';

type Key = webcrypto.CryptoKey;

const ed25519 = 'Ed25519';
const isEd25519 = ({ algorithm }: Key): boolean => algorithm.name === ed25519;

/** Node warns that keys which may not be taken out of WebCrypto will not come out this way for ever; its version is pinned. */
function keyOf(key: Key): KeyObject {
  const before = process.noDeprecation ?? false;
  process.noDeprecation = true;
  try {
    return KeyObject.from(key);
  } finally {
    process.noDeprecation = before;
  }
}

let installed = false;

/**
 * WebCrypto works on threads, so its promises settle at moments of the real world. What access tokens need of it (Ed25519) is
 * done on the spot instead, by the same OpenSSL; signatures of Ed25519 have no chance in them. Anything else stays as it was.
 */
export function settleWebCryptoAtOnce(): void {
  if (installed) return;
  installed = true;
  const { subtle } = webcrypto;
  const real = {
    sign: subtle.sign.bind(subtle),
    verify: subtle.verify.bind(subtle),
    importKey: subtle.importKey.bind(subtle) as (...args: unknown[]) => Promise<Key>,
  };
  const atOnce = {
    async sign(algorithm: string, key: Key, data: Uint8Array) {
      if (!isEd25519(key)) return real.sign(algorithm, key, data as webcrypto.BufferSource);
      return new Uint8Array(sign(null, data, keyOf(key))).buffer;
    },
    async verify(algorithm: string, key: Key, signature: Uint8Array, data: Uint8Array) {
      if (!isEd25519(key))
        return real.verify(algorithm, key, signature as webcrypto.BufferSource, data as webcrypto.BufferSource);
      return verify(null, data, keyOf(key), signature);
    },
    async importKey(format: string, jwk: JsonWebKey, ...rest: [unknown, boolean, readonly webcrypto.KeyUsage[]]) {
      if (format !== 'jwk' || jwk.crv !== ed25519 || jwk.d !== undefined) return real.importKey(format, jwk, ...rest);
      const [, extractable, usages] = rest;
      return createPublicKey({ key: { ...jwk }, format: 'jwk' }).toCryptoKey(ed25519, extractable, [...usages]);
    },
  };
  for (const [name, value] of Object.entries(atOnce)) Object.defineProperty(subtle, name, { value });
}
