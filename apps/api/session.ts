import { users } from '#contracts/users';
import { createApi } from './api.ts';
import { isApiProblem } from './problem.ts';

export interface SessionOptions {
  /** Where the session is kept, one for each app: `storefront`. */
  readonly name: string;
  /** Told whenever who is signed in has changed, in this tab or another. */
  readonly onChange?: (signedIn: boolean) => void;
  readonly origin?: string;
  /** As the account's list of sessions shows this one. */
  readonly device?: string;
}

/** What survives a reload: the refresh token. The access token, which opens doors at once, stays in memory. */
interface Kept {
  readonly refreshToken: string;
  readonly sessionId: string;
}

interface Access {
  readonly token: string;
  readonly untilMs: number;
}

/** A token that would end on its way is renewed first. */
const marginMs = 20_000;

export type Session = ReturnType<typeof createSession>;

/**
 * Who is signed in: `token` and `onTokenRefused` are for `createApi`. Tabs renew one after the other (Web Locks), since
 * a refresh token works once; a token that is no good any more signs out.
 */
export function createSession(options: SessionOptions) {
  const { name, onChange, origin = '', device } = options;
  const storageKey = `holdfast.${name}.session`;
  const api = createApi({ contracts: { users }, origin });
  let access: Access | undefined;
  let renewal: Promise<boolean> | undefined;

  const kept = (): Kept | undefined => {
    const text = localStorage.getItem(storageKey);
    return text === null ? undefined : (JSON.parse(text) as Kept);
  };

  function keep(tokens: { accessToken: string; expiresInSec: number; refreshToken: string; sessionId: string }): void {
    const { refreshToken, sessionId } = tokens;
    access = { token: tokens.accessToken, untilMs: Date.now() + tokens.expiresInSec * 1000 - marginMs };
    localStorage.setItem(storageKey, JSON.stringify({ refreshToken, sessionId } satisfies Kept));
  }

  function forget(): void {
    access = undefined;
    localStorage.removeItem(storageKey);
    onChange?.(false);
  }

  async function renew(): Promise<boolean> {
    const now = kept();
    if (!now) return false;
    try {
      keep((await api.users.refresh({ body: { refreshToken: now.refreshToken } })).body);
      return true;
    } catch (error) {
      if (isApiProblem(error, 'users/refresh-refused')) forget();
      else throw error;
      return false;
    }
  }

  const renewOnce = (): Promise<boolean> => {
    renewal ??= locked(storageKey, renew).finally(() => {
      renewal = undefined;
    });
    return renewal;
  };

  addEventListener('storage', ({ key, newValue }) => {
    if (key !== storageKey) return;
    access = undefined;
    onChange?.(newValue !== null);
  });

  return {
    get signedIn(): boolean {
      return kept() !== undefined;
    },
    get sessionId(): string | undefined {
      return kept()?.sessionId;
    },
    async token(): Promise<string | undefined> {
      if (access && Date.now() < access.untilMs) return access.token;
      if (!kept()) return undefined;
      await renewOnce();
      return access?.token;
    },
    onTokenRefused: (): Promise<boolean> => renewOnce(),
    async signIn(email: string, password: string): Promise<void> {
      keep((await api.users.signIn({ body: { email, password, ...(device ? { device } : {}) } })).body);
      onChange?.(true);
    },
    async signOut(): Promise<void> {
      const now = kept();
      forget();
      // Best effort: without a connection the session ends by itself.
      if (now) await api.users.signOut({ body: { refreshToken: now.refreshToken } }).catch(() => {});
    },
    forget,
  };
}

function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks ? (navigator.locks.request(name, work) as Promise<T>) : work();
}
