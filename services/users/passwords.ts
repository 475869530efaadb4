import type { Random } from '#kit/runtime';
import { createHashQueue } from './hash-queue.ts';
import { normalizePassword } from './model.ts';

/** Hashes and checks passwords. A port, because the real one is slow by design and runs on threads. */
export interface Passwords {
  hash(password: string, source?: string): Promise<string>;
  /** `source`: who has us do it. Sources take turns; work without one shares one turn. */
  verify(hash: string, password: string, source?: string): Promise<boolean>;
  /** True for a hash made with other parameters than today's. */
  isOutdated(hash: string): boolean;
  /** A hash that no password fits, made with today's parameters: checking against it takes as long as any check. */
  readonly decoy: string;
}

export interface PasswordsOptions {
  readonly random: Random;
  /** Checks under way at once, each on a thread with 19 MiB of memory and some 20 ms of a core. Default 2. */
  readonly concurrencyMax?: number;
  /** Checks that may wait; one more is refused with `users/busy`. Default 64, about a second's worth. */
  readonly waitingMax?: number;
}

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, 2 passes, 1 lane. `2` is argon2id (a const enum there). */
const parameters = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } as const;

/** Before salt and hash, in the one form that the format has (the PHC string format). */
const head = `$argon2id$v=19$m=${parameters.memoryCost},t=${parameters.timeCost},p=${parameters.parallelism}$`;

/** Hashing runs off the event loop (libuv's threads), a few at a time so that a rush can't take memory and all cores. */
export function createPasswords(options: PasswordsOptions): Passwords {
  const { random, concurrencyMax = 2, waitingMax = 64 } = options;
  const queued = createHashQueue({ concurrencyMax, waitingMax });

  // Begun here and not with the module: native code that only the process of users needs.
  const library = import('@node-rs/argon2');
  const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '');
  return {
    hash: (password, source = '') =>
      queued(source, async () => {
        const { hash } = await library;
        return hash(normalizePassword(password), { ...parameters, salt: random.bytes(16) });
      }),
    verify: (hashed, password, source = '') =>
      queued(source, async () => (await library).verify(hashed, normalizePassword(password))),
    isOutdated: (hashed) => !hashed.startsWith(head),
    decoy: `${head}${encode(random.bytes(16))}$${encode(random.bytes(parameters.outputLen))}`,
  };
}
