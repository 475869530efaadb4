import type { Role, User } from '#contracts/users';
import { type users, usersProblems } from '#contracts/users';
import { checkIfMatch, type Handlers, headerNames } from '#kit/contract';
import { askerOf } from './credentials.ts';
import type { Deps, UserEvent } from './deps.ts';
import { emailKeyOf, etagOf, passwordWeakness } from './model.ts';
import {
  type Account,
  endAllSessions,
  findByEmail,
  findById,
  insertAccount,
  lockById,
  renameUser,
  setPasswordHash,
  setUserRole,
} from './store.ts';

type AccountOperations = 'register' | 'me' | 'updateMe' | 'changePassword';

export function accountHandlers(deps: Deps): Pick<Handlers<typeof users>, AccountOperations> {
  const { world, database, publish, passwords, credentials, chargeHash, inTurn } = deps;
  return {
    async register({ body }, context) {
      checkPassword(body.password, body.email);
      chargeHash(context);
      const passwordHash = await inTurn(askerOf(context, 'registration'), () => passwords.hash(body.password));
      const account = {
        id: world.ids.next('usr'),
        email: body.email,
        emailKey: emailKeyOf(body.email),
        name: body.name,
        role: 'customer' as const,
        passwordHash,
        nowMs: world.clock.now(),
      };
      const made = await database.transaction(async (tx) => {
        const inserted = await insertAccount(tx, account);
        if (inserted) await publish(tx, [{ ...registered(inserted.user), context }]);
        return inserted;
      });
      if (made) return { status: 201, body: made.user, headers: { etag: etagOf(made.user.version) } };
      // The reply to an earlier try may have been lost: whoever knows the password is the one who opened the account.
      const { user } = await credentials.check(body.email, body.password, context, 'registration').catch((error) => {
        throw error?.code === 'users/wrong-credentials' ? usersProblems['email-taken']() : error;
      });
      return { status: 201, body: user, headers: { etag: etagOf(user.version) } };
    },

    async me(_input, context) {
      return userReply(await findById(database, context.caller.id));
    },

    async updateMe({ body }, context) {
      const { id } = context.caller;
      const changed = await database.transaction(async (tx) => {
        const account = existing(await lockById(tx, id));
        checkIfMatch(context, etagOf(account.user.version));
        return renameUser(tx, id, body.name);
      });
      return userReply(changed);
    },

    async changePassword({ body }, context) {
      const { user } = existing(await findById(database, context.caller.id));
      checkPassword(body.newPassword, user.email);
      const account = await credentials.check(user.email, body.currentPassword, context);
      const passwordHash = await inTurn(askerOf(context), () => passwords.hash(body.newPassword));
      await database.transaction(async (tx) => {
        const current = existing(await lockById(tx, user.id));
        // Somebody else changed it between the check and now.
        if (current.credentialVersion !== account.credentialVersion) throw usersProblems['wrong-credentials']();
        await setPasswordHash(tx, user.id, passwordHash);
        const except = context.headers[headerNames.session];
        await endAllSessions(tx, user.id, { except, why: 'password', nowMs: world.clock.now() });
        await publish(tx, [{ ...passwordChanged(user, 'change'), context }]);
      });
      return { status: 204, body: undefined };
    },
  };
}

export type EnsuredAdmin = {
  readonly userId: string;
  readonly outcome: 'created' | 'promoted' | 'unchanged' | 'taken';
};

/**
 * Makes sure that an admin with this e-mail exists. An account that exists keeps its password, and becomes an admin's only where
 * that is the one given here: nobody proves that an address is theirs, so whoever registered it first may be anybody.
 */
export async function ensureAdmin(
  deps: Deps,
  admin: { readonly email: string; readonly password: string },
): Promise<EnsuredAdmin> {
  const { world, database, publish, passwords } = deps;
  const { email, password } = admin;
  const role = 'admin' as const;
  const emailKey = emailKeyOf(email);
  const known = await findByEmail(database, emailKey);
  if (known) return promote(deps, known, password);
  checkPassword(password, email);
  const passwordHash = await passwords.hash(password);
  const id = world.ids.next('usr');
  const account = { id, email, emailKey, name: undefined, role, passwordHash, nowMs: world.clock.now() };
  const made = await database.transaction(async (tx) => {
    const inserted = await insertAccount(tx, account);
    if (inserted) await publish(tx, [registered(inserted.user)]);
    return inserted;
  });
  // Another instance, or somebody else, made it this moment.
  return made ? { userId: id, outcome: 'created' } : ensureAdmin(deps, admin);
}

async function promote(
  { world, database, publish, passwords }: Deps,
  known: Account,
  password: string,
): Promise<EnsuredAdmin> {
  const { id: userId, email } = known.user;
  const taken = () => {
    const hint = 'choose another e-mail for the admin, or have an admin give this account its role';
    world.log.warn(`the account of the admin exists with another password and was not made an admin’s: ${hint}`, {
      email,
    });
    return { userId, outcome: 'taken' } as const;
  };
  if (known.user.role === 'admin') return { userId, outcome: 'unchanged' };
  if (!(await passwords.verify(known.passwordHash, password))) return taken();
  return database.transaction(async (tx) => {
    const { user, credentialVersion } = existing(await lockById(tx, userId));
    if (user.role === 'admin') return { userId, outcome: 'unchanged' };
    if (credentialVersion !== known.credentialVersion) return taken();
    const promoted = await setUserRole(tx, userId, 'admin');
    await publish(tx, [roleChanged(promoted.user, user.role, 'system')]);
    return { userId, outcome: 'promoted' };
  });
}

export function checkPassword(password: string, email: string): void {
  const weakness = passwordWeakness(password, email);
  if (weakness) throw usersProblems['weak-password']({ detail: weakness });
}

export function passwordChanged(user: { readonly id: string; readonly email: string }, how: 'change' | 'reset') {
  const { id, email } = user;
  return { type: 'user.password-changed', key: id, data: { userId: id, email, how } } as const satisfies UserEvent;
}

function registered({ id, email, name, role }: User): UserEvent {
  return {
    type: 'user.registered',
    key: id,
    data: { userId: id, email, role, ...(name === undefined ? {} : { name }) },
  };
}

export function roleChanged({ id, email, role }: User, previousRole: Role, changedBy: string): UserEvent {
  return { type: 'user.role-changed', key: id, data: { userId: id, email, role, previousRole, changedBy } };
}

export function existing(account: Account | undefined): Account {
  if (!account) throw usersProblems['not-found']();
  return account;
}

export function userReply(account: Account | undefined) {
  const { user } = existing(account);
  return { status: 200, body: user, headers: { etag: etagOf(user.version) } } as const;
}
