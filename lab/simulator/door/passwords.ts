import { createHash } from 'node:crypto';
import type { Passwords } from '#services/users';

const hashOf = (password: string): string => `simulated$${createHash('sha256').update(password).digest('base64url')}`;

/** Argon2id is slow by design and runs on threads; nothing that is looked for here depends on it. */
export const simulatedPasswords: Passwords = {
  hash: async (password) => hashOf(password),
  verify: async (hash, password) => hash === hashOf(password),
  isOutdated: () => false,
  decoy: 'simulated$nobody',
};
