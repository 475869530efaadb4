import { createHmac } from 'node:crypto';
import { type users, usersProblems } from '#contracts/users';
import type { Handlers } from '#kit/contract';
import { checkPassword, passwordChanged } from './accounts.ts';
import { bucketOf, chargeAttempts } from './attempts.ts';
import { askerOf, requestSource } from './credentials.ts';
import type { Deps } from './deps.ts';
import { emailKeyOf, resetAccountAttempts, resetSourceAttempts } from './model.ts';
import { hashOf } from './refresh-token.ts';
import { endAllSessions, findByEmail, findReset, peekReset, replaceReset, setPasswordHash, useReset } from './store.ts';

type ResetOperations = 'requestPasswordReset' | 'issuePasswordResetToken' | 'resetPassword';

const resetLifeMs = 3_600_000;
/** Every request is answered this long after it came: what is done for an account that exists doesn't show. */
const answerAfterMs = 150;

/**
 * The token of a reset is HMAC(key outside of the database, id and nonce). So it can be given to whoever sends the mail
 * as often as sending needs repeating, and neither the database nor the event log ever holds it.
 */
export function resetHandlers(deps: Deps): Pick<Handlers<typeof users>, ResetOperations> {
  const { world, database, publish, passwords, chargeHash, inTurn, resetKey } = deps;
  const { clock, timers, random, ids } = world;
  const tokenOf = (id: string, nonce: Uint8Array) =>
    `hpr_${createHmac('sha256', resetKey).update(id).update(nonce).digest('base64url')}`;

  return {
    async requestPasswordReset({ body }, context) {
      const startMs = clock.monotonicMs();
      const emailKey = emailKeyOf(body.email);
      await chargeAttempts(world, database, [
        bucketOf('reset-account', emailKey, resetAccountAttempts),
        bucketOf('reset-source', requestSource(context), resetSourceAttempts),
      ]);
      const account = await findByEmail(database, emailKey);
      if (account) {
        const { id: userId, email } = account.user;
        const id = ids.next('pwr');
        const nonce = random.bytes(32);
        const nowMs = clock.now();
        const expiresAtMs = nowMs + resetLifeMs;
        const data = { userId, email, resetId: id, expiresAt: new Date(expiresAtMs).toISOString() };
        await database.transaction(async (tx) => {
          await replaceReset(tx, { id, userId, nonce, tokenHash: hashOf(tokenOf(id, nonce)), nowMs, expiresAtMs });
          await publish(tx, [{ type: 'user.password-reset-requested', key: userId, data, context }]);
        });
      }
      await timers.sleep(Math.max(0, startMs + answerAfterMs - clock.monotonicMs()), context.signal);
      return { status: 202, body: {} };
    },

    async issuePasswordResetToken({ params }) {
      const reset = await findReset(database, params.resetId, clock.now());
      if (!reset) throw usersProblems['not-found']();
      const token = tokenOf(reset.id, reset.nonce);
      return { status: 200, body: { token, email: reset.email, expiresAt: reset.expires_at.toISOString() } };
    },

    async resetPassword({ body }, context) {
      const tokenHash = hashOf(body.token);
      // Looked at before the costly hashing; used up only in the transaction that sets the password.
      const reset = await peekReset(database, tokenHash, clock.now());
      if (!reset) throw usersProblems['reset-refused']();
      checkPassword(body.newPassword, reset.email);
      chargeHash(context);
      const passwordHash = await inTurn(askerOf(context), () => passwords.hash(body.newPassword));
      await database.transaction(async (tx) => {
        const userId = await useReset(tx, tokenHash, clock.now());
        if (userId === undefined) throw usersProblems['reset-refused']();
        const { user } = await setPasswordHash(tx, userId, passwordHash);
        await endAllSessions(tx, userId, { why: 'password', nowMs: clock.now() });
        await publish(tx, [{ ...passwordChanged(user, 'reset'), context }]);
      });
      return { status: 204, body: undefined };
    },
  };
}
