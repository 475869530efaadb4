import { isApiProblem } from '#api';
import type { User } from '#contracts/users';
import { api, contracts, onSessionChange, session } from '../console.ts';

let user = $state.raw<User | undefined>();
let error = $state.raw<unknown>();
let isKnown = $state(false);

/** What users said last of whoever has this session: a page begins with it, and goes on with it while users is away. */
const rememberedKey = 'holdfast.console.who';

function remembered(sessionId: string): User | undefined {
  const text = localStorage.getItem(rememberedKey);
  const last = text === null ? undefined : (JSON.parse(text) as { sessionId: string; user: User });
  return last?.sessionId === sessionId ? last.user : undefined;
}

function remember(sessionId: string, now: User | undefined): void {
  if (now) localStorage.setItem(rememberedKey, JSON.stringify({ sessionId, user: now }));
  else localStorage.removeItem(rememberedKey);
}

/** Who looks. Until `isKnown` nobody can tell. */
export const who = {
  get user(): User | undefined {
    return user;
  },
  get error(): unknown {
    return error;
  },
  get isKnown(): boolean {
    return isKnown;
  },
  get isStaff(): boolean {
    return user?.role === 'staff' || user?.role === 'admin';
  },
  /**
   * Users can't be asked, and the pass at hand is still good: everything can be looked at. Whether the role is still the one
   * that was remembered nobody knows, so changes wait.
   */
  get isReadOnly(): boolean {
    return user !== undefined && error !== undefined;
  },
  async load(): Promise<void> {
    const { sessionId } = session;
    if (sessionId !== undefined && !isKnown) {
      user = remembered(sessionId);
      isKnown = user !== undefined;
    }
    // What failed before stands until the answer: nobody is asked to sign in meanwhile.
    try {
      const now = sessionId === undefined ? undefined : (await api.users.me()).body;
      // Of whoever had this browser before; who has it now is asked already.
      if (session.sessionId !== sessionId) return;
      user = now;
      error = undefined;
      remember(sessionId ?? '', user);
    } catch (failure) {
      if (session.sessionId !== sessionId) return;
      // A session that has ended is no failure: whoever it was signs in again.
      error = isApiProblem(failure) && failure.status === 401 ? undefined : failure;
      if (error === undefined || Date.now() >= session.untilMs) user = undefined;
    }
    isKnown = true;
  },
};

onSessionChange(() => void who.load());

type Contracts = typeof contracts;

/** Whether whoever is signed in may do this, as its contract says: what one may not do is shown, and can't be pressed. */
export function may<Service extends keyof Contracts>(
  service: Service,
  operation: keyof Contracts[Service]['operations'] & string,
): boolean {
  const { method, access = [] } = contracts[service].operations[operation as never] as {
    readonly method: string;
    readonly access?: readonly string[];
  };
  // What was broken on purpose can be healed whoever is away.
  if (who.isReadOnly && method !== 'GET' && service !== 'operators') return false;
  const role = user?.role;
  // An admin may do what staff may (kit/contract/server.ts).
  return role !== undefined && (access.includes(role) || (role === 'admin' && access.includes('staff')));
}

/** Why a control can't be pressed, to be said beside it. */
export function whyNot<Service extends keyof Contracts>(
  service: Service,
  operation: keyof Contracts[Service]['operations'] & string,
): string | undefined {
  if (may(service, operation)) return undefined;
  return who.isReadOnly ? 'Waits until it is known again who you are' : 'For admins';
}
