import { readFile } from 'node:fs/promises';
import { users } from '#contracts/users';
import { anonymous, type CallContext, createClient, createHttpTransport, isProblem } from '#kit/contract';
import type { Clock } from '#kit/runtime';
import type { TokenSource } from '#lab/replay';
import { exitCodes, Failure } from './failure.ts';

export interface SessionOptions {
  readonly origin: string;
  readonly email: string;
  readonly password: string;
  readonly clock: Clock;
}

export interface Session extends TokenSource {
  close(): Promise<void>;
}

/** Access tokens live 15 minutes: a new one is fetched while this much is left. */
const renewBeforeMs = 60_000;
const callTimeoutMs = 10_000;

/** Signs in when a token is first asked for and keeps the session alive for as long as tokens are. */
export function createSession({ origin, email, password, clock }: SessionOptions): Session {
  const transport = createHttpTransport({ contracts: [users], origin, connectionsMax: 1 });
  const client = createClient(users, { transport, clock });
  let current: { access: string; refresh: string; renewAtMs: number } | undefined;
  let renewing: Promise<string> | undefined;

  const context = (): CallContext => ({
    caller: anonymous,
    correlationId: '',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: clock.monotonicMs() + callTimeoutMs,
    signal: new AbortController().signal,
    headers: {},
  });

  async function obtain() {
    if (current) {
      try {
        return (await client.refresh({ body: { refreshToken: current.refresh } }, context())).body;
      } catch (error) {
        // The session may have been ended; then signing in again is what a person would do.
        if (!isProblem(error) || error.status !== 401) throw error;
      }
    }
    return (await client.signIn({ body: { email, password, device: 'holdfast' } }, context())).body;
  }

  async function renew(): Promise<string> {
    try {
      const { accessToken, refreshToken, expiresInSec } = await obtain();
      const renewAtMs = clock.monotonicMs() + expiresInSec * 1000 - renewBeforeMs;
      current = { access: accessToken, refresh: refreshToken, renewAtMs };
      return accessToken;
    } catch (error) {
      throw signInFailure(error, origin, email);
    } finally {
      renewing = undefined;
    }
  }

  return {
    async token() {
      if (current && clock.monotonicMs() < current.renewAtMs) return current.access;
      renewing ??= renew();
      return renewing;
    },
    refused(token) {
      if (current?.access === token) current.renewAtMs = 0;
    },
    async close() {
      // Told or not, the session ends by itself; a shop that is gone need not be told.
      if (current) await client.signOut({ body: { refreshToken: current.refresh } }, context()).catch(() => {});
      await transport.close();
    },
  };
}

function signInFailure(error: unknown, origin: string, email: string): Error {
  if (!isProblem(error)) return error as Error;
  if (error.category === 'auth' && error.status !== 429) {
    return new Failure(
      exitCodes.auth,
      `${origin} refuses ${email}: correct HOLDFAST_EMAIL and HOLDFAST_PASSWORD, or give --token-file.`,
      { cause: error },
    );
  }
  // The replay waits and tries again.
  return error;
}

/** A token that somebody else keeps fresh in a file. */
export function createTokenFile(path: string): Session {
  return {
    async token() {
      const token = (await readFile(path, 'utf8').catch(() => '')).trim();
      if (token) return token;
      throw new Failure(exitCodes.usage, `There is no token in ${path}: put an access token of a staff account there.`);
    },
    refused() {},
    close: async () => {},
  };
}
