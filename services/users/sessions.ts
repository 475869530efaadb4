import type { Role, Tokens } from '#contracts/users';
import { usersProblems } from '#contracts/users';
import type { CallContext } from '#kit/contract';
import type { Database, Transaction, World } from '#kit/runtime';
import { type BatchWriter, createBatchWriter, type Verdict } from '#kit/store';
import { measureBatches, noTelemetry, type Telemetry } from '#kit/telemetry';
import { signAccessToken } from './access-token.ts';
import type { Publish, UserEvent } from './deps.ts';
import {
  belongsTo,
  firstRefreshToken,
  parseRefreshToken,
  presentRefreshToken,
  type RefreshToken,
} from './refresh-token.ts';
import type { SigningKeys } from './signing-keys.ts';
import {
  type Account,
  endCrowdedSessions,
  endSessions,
  insertSession,
  type LiveSession,
  lockSessions,
  saveRotations,
} from './store.ts';

export interface SessionsOptions {
  readonly world: World;
  readonly database: Database;
  readonly publish: Publish;
  readonly signingKeys: SigningKeys;
  readonly telemetry?: Telemetry;
  /** Life of an access token. It can't be called back, so shorter makes sign-out and roles count sooner. Default 900 s. */
  readonly accessTokenLifeSec?: number;
  /** A session ends when it wasn't used for this long. Default 30 days. */
  readonly sessionIdleMs?: number;
  /** A session ends after this however much it is used. Default 180 days. */
  readonly sessionLifeMs?: number;
  /** Sessions of one user; the oldest ends when there is one more. Default 50. */
  readonly sessionsMax?: number;
  /**
   * How long the previous refresh token still answers its successor: covers a lost reply and two tabs at once. Longer
   * gives a thief of the previous token longer before he is noticed. Default 30 s.
   */
  readonly refreshGraceMs?: number;
}

export interface Sessions {
  /** Opens a session for an account whose password was just checked. */
  open(account: Account, device: string | undefined): Promise<Tokens>;
  /** Exchanges a refresh token for new tokens. */
  refresh(refreshToken: string, context: CallContext): Promise<Tokens>;
  /** Ends the session of a refresh token; an unknown one does nothing. */
  close(refreshToken: string): Promise<void>;
  drain(): Promise<void>;
}

const dayMs = 86_400_000;

interface RefreshCommand {
  readonly token: RefreshToken;
  /** The nonce of the rotation if there is one; made outside so that applying a batch again gives the same. */
  readonly freshNonce: Uint8Array;
  readonly context: CallContext;
}

interface Refreshed {
  readonly refreshToken: string;
  readonly userId: string;
  readonly role: Role;
  readonly expiresAtMs: number;
}

export function createSessions(options: SessionsOptions): Sessions {
  const { world, database, publish, signingKeys, accessTokenLifeSec = 900 } = options;
  const { sessionIdleMs = 30 * dayMs, sessionLifeMs = 180 * dayMs } = options;
  const { sessionsMax = 50, refreshGraceMs = 30_000 } = options;
  const { clock, timers, random, ids, log } = world;

  // Clients refresh every quarter of an hour whether or not anybody looks at them, so this is the write that grows with
  // the number of people signed in; signing in itself costs a password hash, beside which a commit is nothing.
  const writer: BatchWriter<RefreshCommand, Refreshed> = createBatchWriter<RefreshCommand, Refreshed>({
    name: 'users refresh',
    database,
    clock,
    timers,
    log,
    apply: applyRefreshes,
    onCommit: measureBatches(options.telemetry ?? noTelemetry, 'users-refresh', () => writer.waiting),
  });

  async function applyRefreshes(tx: Transaction, commands: readonly RefreshCommand[]): Promise<Verdict<Refreshed>[]> {
    const nowMs = clock.now();
    const sessions = await lockSessions(tx, [...new Set(commands.map(({ token }) => token.sessionId))], nowMs);
    const rotated = new Map<string, LiveSession>();
    const reused = new Map<string, UserEvent>();
    const verdicts = commands.map((command) => {
      const session = reused.has(command.token.sessionId) ? undefined : sessions.get(command.token.sessionId);
      if (!session) return refused();
      const { token, freshNonce } = command;
      const presented = presentRefreshToken(session.state, token, { nowMs, graceMs: refreshGraceMs, freshNonce });
      if (presented.kind === 'repeated') return { ok: refreshedOf(session, presented.successor) };
      if (presented.kind === 'rotated') {
        const expiresAtMs = Math.min(nowMs + sessionIdleMs, session.endsAtMs);
        const next = { ...session, state: presented.state, expiresAtMs };
        sessions.set(token.sessionId, next);
        rotated.set(token.sessionId, next);
        return { ok: refreshedOf(next, presented.successor) };
      }
      if (presented.kind === 'reused') reused.set(token.sessionId, reuseEvent(session, command.context));
      return refused();
    });
    await saveRotations(tx, [...rotated.values()]);
    await endSessions(tx, [...reused.keys()], 'reuse', nowMs);
    if (reused.size > 0) await publish(tx, [...reused.values()]);
    return verdicts;
  }

  async function tokensOf(session: Refreshed & { readonly sessionId: string }): Promise<Tokens> {
    const { userId, role, sessionId } = session;
    return {
      accessToken: await signAccessToken(world, signingKeys, { userId, role, sessionId }, accessTokenLifeSec),
      tokenType: 'Bearer',
      expiresInSec: accessTokenLifeSec,
      refreshToken: session.refreshToken,
      refreshExpiresAt: new Date(session.expiresAtMs).toISOString(),
      sessionId,
    };
  }

  return {
    async open(account, device) {
      const nowMs = clock.now();
      const { text, state } = firstRefreshToken(ids.next('ses'), random, nowMs);
      const endsAtMs = nowMs + sessionLifeMs;
      const expiresAtMs = Math.min(nowMs + sessionIdleMs, endsAtMs);
      const opened = await database.transaction(async (tx) => {
        if (!(await insertSession(tx, { account, device, state, nowMs, expiresAtMs, endsAtMs }))) return false;
        await endCrowdedSessions(tx, account.user.id, sessionsMax, nowMs);
        return true;
      });
      if (!opened) throw usersProblems['wrong-credentials']();
      const { id: userId, role } = account.user;
      return tokensOf({ sessionId: state.sessionId, refreshToken: text, userId, role, expiresAtMs });
    },
    async refresh(refreshToken, context) {
      const token = parseRefreshToken(refreshToken);
      if (!token) throw usersProblems['refresh-refused']();
      const refreshed = await writer.submit({ token, freshNonce: random.bytes(32), context });
      return tokensOf({ ...refreshed, sessionId: token.sessionId });
    },
    async close(refreshToken) {
      const token = parseRefreshToken(refreshToken);
      if (!token) return;
      await database.transaction(async (tx) => {
        const session = (await lockSessions(tx, [token.sessionId], clock.now())).get(token.sessionId);
        if (session && belongsTo(session.state, token))
          await endSessions(tx, [token.sessionId], 'sign-out', clock.now());
      });
    },
    drain: () => writer.drain(),
  };
}

function refused(): Verdict<Refreshed> {
  return { error: usersProblems['refresh-refused']() };
}

function refreshedOf(session: LiveSession, refreshToken: string): Refreshed {
  return { refreshToken, userId: session.userId, role: session.role, expiresAtMs: session.expiresAtMs };
}

function reuseEvent(session: LiveSession, context: CallContext): UserEvent {
  const { userId, email, state } = session;
  return {
    type: 'user.refresh-token-reused',
    key: userId,
    data: { userId, email, sessionId: state.sessionId },
    context,
  };
}
