import { usersProblems } from '#contracts/users';
import type { CallContext } from '#kit/contract';
import { headerNames } from '#kit/contract';
import type { Database, World } from '#kit/runtime';
import { bucketOf, chargeAttempts } from './attempts.ts';
import type { ChargeHash } from './hash-allowance.ts';
import { accountAttempts, emailKeyOf, sourceAttempts, sourceOf } from './model.ts';
import type { Passwords } from './passwords.ts';
import { type Account, findByEmail, forgiveAttempts, upgradePasswordHash } from './store.ts';

export interface Credentials {
  /** The account that e-mail and password belong to; throws `wrong-credentials`, `too-many-attempts` or `busy`. */
  check(email: string, password: string, context: CallContext): Promise<Account>;
}

/**
 * Checks e-mail and password. An unknown e-mail takes the same way as a wrong password, step by step: charged, looked
 * up, hashed (against a decoy) and answered with the same words; so neither the answer nor its time tells who has an
 * account.
 */
export function createCredentials(
  world: World,
  database: Database,
  passwords: Passwords,
  chargeHash: ChargeHash,
): Credentials {
  return {
    async check(email, password, context) {
      chargeHash(context);
      const emailKey = emailKeyOf(email);
      const account = bucketOf('account', emailKey, accountAttempts);
      const from = requestSource(context);
      const source = bucketOf('source', from, sourceAttempts);
      await chargeAttempts(world, database, [account, source]);
      const found = await findByEmail(database, emailKey);
      const fits = await passwords.verify(found?.passwordHash ?? passwords.decoy, password, from);
      if (!found || !fits) throw usersProblems['wrong-credentials']();
      // Told to nobody but whoever knows the password.
      if (found.user.disabledAt !== undefined) throw usersProblems.disabled();
      await forgiveAttempts(database, [account.name], [source.name]);
      if (passwords.isOutdated(found.passwordHash)) {
        await upgradePasswordHash(database, found, await passwords.hash(password, from));
      }
      return found;
    },
  };
}

/** Where a request came from, as the public door says. Calls from inside share one bucket. */
export function requestSource(context: CallContext): string {
  return sourceOf(context.headers[headerNames.source] ?? 'inside');
}
