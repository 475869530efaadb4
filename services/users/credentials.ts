import { usersProblems } from '#contracts/users';
import type { CallContext } from '#kit/contract';
import { headerNames } from '#kit/contract';
import type { Database, World } from '#kit/runtime';
import { bucketOf, chargeAttempts } from './attempts.ts';
import type { ChargeHash } from './hash-allowance.ts';
import type { Asker, HashQueue } from './hash-queue.ts';
import { accountAttempts, emailKeyOf, sourceAttempts, sourceOf } from './model.ts';
import type { Passwords } from './passwords.ts';
import { type Account, findByEmail, forgiveAttempts, upgradePasswordHash } from './store.ts';

export interface Credentials {
  /**
   * The account that e-mail and password belong to; throws `wrong-credentials`, `too-many-attempts` or `busy`. `kind`: whose turn
   * it takes, by default that of those who sign in.
   */
  check(email: string, password: string, context: CallContext, kind?: Asker['kind']): Promise<Account>;
}

/**
 * Checks e-mail and password. An unknown e-mail takes the same way as a wrong password, step by step: charged, looked
 * up, hashed (against a decoy) and answered with the same words; so neither the answer nor its time tells who has an
 * account. Charged when it is its turn: for one that has to be refused because there is too much to do nobody pays.
 */
export function createCredentials(
  world: World,
  database: Database,
  passwords: Passwords,
  chargeHash: ChargeHash,
  inTurn: HashQueue,
): Credentials {
  async function checkNow(email: string, password: string, source: string): Promise<Account> {
    const emailKey = emailKeyOf(email);
    const account = bucketOf('account', emailKey, accountAttempts);
    const from = bucketOf('source', source, sourceAttempts);
    await chargeAttempts(world, database, [account, from]);
    const found = await findByEmail(database, emailKey);
    const fits = await passwords.verify(found?.passwordHash ?? passwords.decoy, password);
    if (!found || !fits) throw usersProblems['wrong-credentials']();
    // Told to nobody but whoever knows the password.
    if (found.user.disabledAt !== undefined) throw usersProblems.disabled();
    await forgiveAttempts(database, [account.name], [from.name]);
    if (passwords.isOutdated(found.passwordHash)) {
      await upgradePasswordHash(database, found, await passwords.hash(password));
    }
    return found;
  }

  return {
    async check(email, password, context, kind) {
      chargeHash(context);
      const asker = askerOf(context, kind);
      return inTurn(asker, () => checkNow(email, password, asker.source));
    },
  };
}

/** Who has something hashed. `kind`: by default that of those who have an account. */
export function askerOf(context: CallContext, kind: Asker['kind'] = 'sign-in'): Asker {
  return { kind, source: requestSource(context), signal: context.signal };
}

/** Where a request came from, as the public door says. Calls from inside share one bucket. */
export function requestSource(context: CallContext): string {
  return sourceOf(context.headers[headerNames.source] ?? 'inside');
}
