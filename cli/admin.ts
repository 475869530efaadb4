import { join } from 'node:path';
import type { Random } from '#kit/runtime';
import { openSecrets } from '#kit/store/embedded';

export interface AdminAccount {
  readonly email: string;
  readonly password: string;
}

const fileOf = (dataDir: string) => join(dataDir, 'admin.json');
const adminEmail = 'admin@holdfast.local';

/** The local administrator: a password generated once and kept where only the owner of the data can read it. */
export function ensureAdminAccount(dataDir: string, random: Random): AdminAccount {
  return { email: adminEmail, password: openSecrets(fileOf(dataDir), random).ensure(adminEmail) };
}

/** Undefined where there is none: another machine's data, or a system that has never been started. */
export function readAdminAccount(dataDir: string, random: Random): AdminAccount | undefined {
  const password = openSecrets(fileOf(dataDir), random).get(adminEmail);
  return password === undefined ? undefined : { email: adminEmail, password };
}
