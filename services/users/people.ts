import { pageFrom, pageSizeDefault, positionOf } from '#contracts/common';
import type { User } from '#contracts/users';
import { Role, type users, usersProblems } from '#contracts/users';
import { type CallContext, checkIfMatch, contractProblems, type Handlers } from '#kit/contract';
import { existing, roleChanged, userReply } from './accounts.ts';
import { addressesMax } from './addresses.ts';
import type { Deps } from './deps.ts';
import { emailKeyOf, etagOf, nameQueryOf } from './model.ts';
import {
  endAllSessions,
  findByEmail,
  findById,
  listAddresses,
  listSessions,
  lockAdmins,
  lockById,
  pageOfUsers,
  setUserDisabled,
  setUserRole,
} from './store.ts';

type PeopleOperations =
  | 'listUsers'
  | 'getUser'
  | 'setRole'
  | 'setDisabled'
  | 'listUserSessions'
  | 'endUserSessions'
  | 'listUserAddresses';

/** What staff do with the accounts of others. */
export function peopleHandlers(deps: Deps): Pick<Handlers<typeof users>, PeopleOperations> {
  const { world, database, publish } = deps;
  return {
    async listUsers({ query }) {
      if (query.email !== undefined) {
        const found = await findByEmail(database, emailKeyOf(query.email));
        return { status: 200, body: { items: found ? [found.user] : [] } };
      }
      const { limit = pageSizeDefault, cursor, q = '', role = Role.enum } = query;
      const [beforeId = null] = positionOf(cursor, 'text') ?? [];
      const text = q.trim();
      const found = { id: text, emailKeyPrefix: emailKeyOf(text), nameQuery: nameQueryOf(text) };
      const rows = await pageOfUsers(database, {
        roles: role,
        ...(text === '' ? {} : { found }),
        beforeId,
        limit: limit + 1,
      });
      return { status: 200, body: pageFrom(rows, limit, ({ id }) => [id]) };
    },

    async getUser({ params }) {
      return userReply(await findById(database, params.userId));
    },

    async setRole({ params: { userId }, body }, context) {
      const changed = await database.transaction(async (tx) => {
        const admins = await lockAdmins(tx, userId);
        const account = existing(await lockById(tx, userId));
        checkIfMatch(context, etagOf(account.user.version));
        const { role: previousRole } = account.user;
        if (previousRole === body.role) return account;
        checkNotLast(admins, userId);
        const { user, ...rest } = await setUserRole(tx, userId, body.role);
        // Access tokens say the role: the old ones must not count any more.
        await endAllSessions(tx, userId, { why: 'role', nowMs: world.clock.now() });
        await publish(tx, [{ ...roleChanged(user, previousRole, context.caller.id), context }]);
        return { user, ...rest };
      });
      return userReply(changed);
    },

    async setDisabled({ params: { userId }, body: { disabled } }, context) {
      const nowMs = world.clock.now();
      const changed = await database.transaction(async (tx) => {
        const admins = await lockAdmins(tx, userId);
        const account = existing(await lockById(tx, userId));
        checkMayManage(context, account.user);
        checkIfMatch(context, etagOf(account.user.version));
        if (disabled === (account.user.disabledAt !== undefined)) return account;
        if (disabled) checkNotLast(admins, userId);
        const done = await setUserDisabled(tx, userId, disabled ? new Date(nowMs) : null);
        if (disabled) await endAllSessions(tx, userId, { why: 'disabled', nowMs });
        return done;
      });
      return userReply(changed);
    },

    async listUserSessions({ params }) {
      const items = await listSessions(database, params.userId, world.clock.now());
      return { status: 200, body: { items: items.map((item) => ({ ...item, current: false })) } };
    },

    async endUserSessions({ params: { userId } }, context) {
      checkMayManage(context, existing(await findById(database, userId)).user);
      await endAllSessions(database, userId, { why: 'staff', nowMs: world.clock.now() });
      return { status: 204, body: undefined };
    },

    async listUserAddresses({ params }) {
      return { status: 200, body: { items: await listAddresses(database, params.userId, addressesMax) } };
    },
  };
}

/** Whoever is locked in `admins` are all there are: one must stay. */
function checkNotLast(admins: readonly string[], userId: string): void {
  if (admins.length === 1 && admins[0] === userId) throw usersProblems['last-admin']();
}

/** Staff look after customers; who looks after staff is an admin. */
function checkMayManage({ caller }: CallContext, { role }: User): void {
  if (caller.kind !== 'admin' && role !== 'customer') throw contractProblems.forbidden();
}
