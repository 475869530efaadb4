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

/**
 * What survives a reload, for all tabs. The access token goes along: it opens nothing that the refresh token beside it would
 * not, and while users is away it is what a reloaded page still has.
 */
interface Kept {
  readonly refreshToken: string;
  readonly sessionId: string;
  readonly accessToken?: string;
  /** When the access token counts as ended here, and when it is worth a new one. */
  readonly untilMs?: number;
  readonly renewAtMs?: number;
}

/** A token that would end on its way is renewed first. */
const marginMs = 20_000;
/** Renewed at this part of its life, beside the calls: when users goes away, each token has at least the rest of it. */
const renewAt = 0.5;
/** What could not be renewed early is tried again after so long. */
const renewAgainMs = 15_000;

export type Session = ReturnType<typeof createSession>;

/**
 * Who is signed in: `token` and `onTokenRefused` are for `createApi`. Tabs renew one after the other (Web Locks), since
 * a refresh token works once; a token that is no good any more signs out.
 */
export function createSession(options: SessionOptions) {
  const { name, onChange, origin = '', device } = options;
  const storageKey = `holdfast.${name}.session`;
  const api = createApi({ contracts: { users }, origin });
  let renewal: Promise<boolean> | undefined;

  const kept = (): Kept | undefined => {
    const text = localStorage.getItem(storageKey);
    return text === null ? undefined : (JSON.parse(text) as Kept);
  };

  function keep(tokens: { accessToken: string; expiresInSec: number; refreshToken: string; sessionId: string }): void {
    const { refreshToken, sessionId, accessToken } = tokens;
    const lifeMs = tokens.expiresInSec * 1000;
    const [untilMs, renewAtMs] = [Date.now() + lifeMs - marginMs, Date.now() + lifeMs * renewAt];
    const keeping: Kept = { refreshToken, sessionId, accessToken, untilMs, renewAtMs };
    localStorage.setItem(storageKey, JSON.stringify(keeping));
  }

  function forget(): void {
    localStorage.removeItem(storageKey);
    onChange?.(false);
  }

  const isGood = (now: Kept | undefined): boolean => Date.now() < (now?.untilMs ?? 0);

  /** `worn`: the access token that is to be replaced. */
  async function renew(worn: string | undefined): Promise<boolean> {
    const now = kept();
    if (!now) return false;
    // Another tab was faster.
    if (now.accessToken !== worn && isGood(now)) return true;
    // Whoever signs out meanwhile stays so, and another session is none of this one's business.
    const isStill = () => kept()?.refreshToken === now.refreshToken;
    try {
      const { body } = await api.users.refresh({ body: { refreshToken: now.refreshToken } });
      if (isStill()) keep(body);
    } catch (error) {
      if (!isApiProblem(error, 'users/refresh-refused')) throw error;
      if (isStill()) forget();
    }
    return kept() !== undefined;
  }

  const renewOnce = (): Promise<boolean> => {
    const worn = kept()?.accessToken;
    renewal ??= locked(storageKey, () => renew(worn)).finally(() => {
      renewal = undefined;
    });
    return renewal;
  };

  let triedAtMs = 0;
  function renewEarly(): void {
    const nowMs = Date.now();
    if (nowMs < (kept()?.renewAtMs ?? 0) || nowMs - triedAtMs < renewAgainMs) return;
    triedAtMs = nowMs;
    // The token at hand is still good, so nobody waits for this and nobody is told when it fails.
    void renewOnce().catch(() => {});
  }

  addEventListener('storage', ({ key, oldValue, newValue }) => {
    // A session that another tab renewed is still the same.
    if (key === storageKey && sessionIn(oldValue) !== sessionIn(newValue)) onChange?.(newValue !== null);
  });

  return {
    get signedIn(): boolean {
      return kept() !== undefined;
    },
    get sessionId(): string | undefined {
      return kept()?.sessionId;
    },
    /** Until when one gets on without users. 0: one does not. */
    get untilMs(): number {
      return kept()?.untilMs ?? 0;
    },
    async token(): Promise<string | undefined> {
      const now = kept();
      if (!now) return undefined;
      if (isGood(now)) renewEarly();
      else await renewOnce();
      return kept()?.accessToken;
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

function sessionIn(text: string | null): string | undefined {
  return text === null ? undefined : (JSON.parse(text) as Kept).sessionId;
}

function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  return navigator.locks ? (navigator.locks.request(name, work) as Promise<T>) : work();
}
