import type { users } from '#contracts/users';
import { usersProblems } from '#contracts/users';
import { type Handlers, headerNames } from '#kit/contract';
import { accountHandlers } from './accounts.ts';
import { addressHandlers } from './addresses.ts';
import type { Deps } from './deps.ts';
import { peopleHandlers } from './people.ts';
import { resetHandlers } from './resets.ts';
import { endAllSessions, endedSessions, endOwnSession, listSessions } from './store.ts';

/** How long verifiers keep the public keys: shorter than new keys are published ahead. */
const jwksCacheSec = 300;

export function createHandlers(deps: Deps): Handlers<typeof users> {
  const { world, database, credentials, sessions, signingKeys } = deps;
  return {
    ...accountHandlers(deps),
    ...peopleHandlers(deps),
    ...resetHandlers(deps),
    ...addressHandlers(deps),

    async signIn({ body }, context) {
      const account = await credentials.check(body.email, body.password, context);
      return { status: 201, body: await sessions.open(account, body.device), headers: noStore };
    },

    async refresh({ body }, context) {
      return { status: 200, body: await sessions.refresh(body.refreshToken, context), headers: noStore };
    },

    async signOut({ body }) {
      await sessions.close(body.refreshToken);
      return { status: 204, body: undefined };
    },

    async listSessions(_input, context) {
      const current = context.headers[headerNames.session];
      const items = await listSessions(database, context.caller.id, world.clock.now());
      return { status: 200, body: { items: items.map((item) => ({ ...item, current: item.id === current })) } };
    },

    async signOutEverywhere(_input, context) {
      await endAllSessions(database, context.caller.id, { why: 'everywhere', nowMs: world.clock.now() });
      return { status: 204, body: undefined };
    },

    async endSession({ params }, context) {
      if (!(await endOwnSession(database, context.caller.id, params.sessionId, world.clock.now()))) {
        throw usersProblems['not-found']();
      }
      return { status: 204, body: undefined };
    },

    async endedSessions({ query }) {
      const sinceMs = world.clock.now() - query.seconds * 1_000;
      return { status: 200, body: { sessionIds: await endedSessions(database, sinceMs) } };
    },

    async jwks() {
      const headers = { 'cache-control': `public, max-age=${jwksCacheSec}` };
      return { status: 200, body: await signingKeys.publicKeys(), headers };
    },
  };
}

/** RFC 6749 §5.1: tokens stay out of every cache. */
const noStore = { 'cache-control': 'no-store' };
