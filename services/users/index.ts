import { hkdfSync } from 'node:crypto';
import { users } from '#contracts/users';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import { idempotencyMigrations, keepMsDefault, sweepKeys } from '#kit/idempotency';
import { type Cancel, type Component, type Database, quietly, type World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { type EnsuredAdmin, ensureAdmin } from './accounts.ts';
import { createCredentials } from './credentials.ts';
import type { Deps, Publish } from './deps.ts';
import { createHandlers } from './handlers.ts';
import { createHashAllowance } from './hash-allowance.ts';
import { createHashQueue } from './hash-queue.ts';
import { createPasswords, type Passwords } from './passwords.ts';
import { createSessions, type SessionsOptions } from './sessions.ts';
import { createSigningKeys, type SigningKeys, type SigningKeysOptions } from './signing-keys.ts';
import { sweep } from './store.ts';

export type { Publish, UserEvent } from './deps.ts';
export { createPasswords, type Passwords } from './passwords.ts';

export const usersMigrations: readonly Migrations[] = [
  idempotencyMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_users' },
];

export interface UsersOptions
  extends Pick<
      SessionsOptions,
      'telemetry' | 'accessTokenLifeSec' | 'sessionIdleMs' | 'sessionLifeMs' | 'sessionsMax' | 'refreshGraceMs'
    >,
    Pick<SigningKeysOptions, 'signingPeriodMs' | 'publishAheadMs' | 'verifyAfterMs'> {
  readonly world: World;
  readonly database: Database;
  /** Writes events to the outbox in the transaction of what they tell. */
  readonly publish: Publish;
  /**
   * Seals the signing keys and makes password reset tokens. The same for all instances, at least 16 bytes of chance,
   * kept outside of the database. A lost one costs no account: a new signing key is made and pending resets end.
   */
  readonly keyEncryptionSecret: string | Uint8Array;
  readonly server?: Partial<ServerOptions>;
  /** Default: argon2id on threads (`createPasswords`). The simulator brings one without threads. */
  readonly passwords?: Passwords;
}

export interface Users {
  readonly server: ServiceServer;
  readonly component: Component;
  /** Makes sure that an admin with this e-mail exists; an account that exists is promoted only where it has this password. */
  ensureAdmin(admin: { readonly email: string; readonly password: string }): Promise<EnsuredAdmin>;
  readonly signingKeys: SigningKeys;
}

const keySecretSizeMin = 16;
const housekeepingPeriodMs = 300_000;
/** What has ended is kept this long, so that support can see why somebody was signed out. */
const keepEndedMs = 7 * 86_400_000;

/** Who people are: accounts, sign-in, sessions, roles and addresses. */
export function createUsers(options: UsersOptions): Users {
  const { world, database, publish, keyEncryptionSecret } = options;
  const { clock, timers, random, log } = world;
  if (keyEncryptionSecret.length < keySecretSizeMin) {
    throw new Error(`users: keyEncryptionSecret is shorter than ${keySecretSizeMin} bytes; generate one and keep it`);
  }
  const passwords = options.passwords ?? createPasswords({ random });
  const signingKeys = createSigningKeys(options);
  const sessions = createSessions({ ...options, signingKeys });
  const chargeHash = createHashAllowance({ clock, random });
  const inTurn = createHashQueue({ timers });
  const credentials = createCredentials(world, database, passwords, chargeHash, inTurn);
  const resetKey = new Uint8Array(hkdfSync('sha256', keyEncryptionSecret, 'holdfast users', 'password reset', 32));
  const accounts = { passwords, chargeHash, inTurn, credentials, sessions };
  const deps: Deps = { world, database, publish, ...accounts, signingKeys, resetKey };
  let cancels: Cancel[] = [];

  return {
    server: implement(users, createHandlers(deps), { clock, ...options.server }),
    ensureAdmin: (admin) => ensureAdmin(deps, admin),
    signingKeys,
    component: {
      name: 'users',
      async start() {
        await signingKeys.rotate();
        cancels = [
          timers.every(
            housekeepingPeriodMs,
            quietly(log, 'signing key rotation', () => signingKeys.rotate()),
          ),
          timers.every(
            housekeepingPeriodMs,
            quietly(log, 'users sweep', () => sweep(database, clock.now() - keepEndedMs)),
          ),
          timers.every(
            housekeepingPeriodMs,
            quietly(log, 'idempotency sweep', () => sweepKeys(database, keepMsDefault)),
          ),
        ];
      },
      drain: () => sessions.drain(),
      async stop() {
        for (const cancel of cancels) cancel();
      },
    },
  };
}
