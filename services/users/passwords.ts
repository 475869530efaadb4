import type { Random } from '#kit/runtime';
import { normalizePassword } from './model.ts';

/** Hashes and checks passwords. A port, because the real one is slow by design and runs on threads. */
export interface Passwords {
  hash(password: string): Promise<string>;
  verify(hash: string, password: string): Promise<boolean>;
  /** True for a hash made with other parameters than today's. */
  isOutdated(hash: string): boolean;
  /** A hash that no password fits, made with today's parameters: checking against it takes as long as any check. */
  readonly decoy: string;
}

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, 2 passes, 1 lane. `2` is argon2id (a const enum there). */
const parameters = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } as const;

/** Before salt and hash, in the one form that the format has (the PHC string format). */
const head = `$argon2id$v=19$m=${parameters.memoryCost},t=${parameters.timeCost},p=${parameters.parallelism}$`;

/** Hashing runs off the event loop (libuv's threads). Whoever asks from outside takes a turn first (`hash-queue.ts`). */
export function createPasswords({ random }: { readonly random: Random }): Passwords {
  // Begun here and not with the module: native code that only the process of users needs.
  const library = import('@node-rs/argon2');
  const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '');
  return {
    async hash(password) {
      const { hash } = await library;
      return hash(normalizePassword(password), { ...parameters, salt: random.bytes(16) });
    },
    async verify(hashed, password) {
      return (await library).verify(hashed, normalizePassword(password));
    },
    isOutdated: (hashed) => !hashed.startsWith(head),
    decoy: `${head}${encode(random.bytes(16))}$${encode(random.bytes(parameters.outputLen))}`,
  };
}
