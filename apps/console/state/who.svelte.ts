import { isApiProblem } from '#api';
import type { User } from '#contracts/users';
import { api, contracts, onSessionChange, session } from '../console.ts';

let user = $state.raw<User | undefined>();
let error = $state.raw<unknown>();
let isKnown = $state(false);

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
  async load(): Promise<void> {
    // What failed before stands until the answer: nobody is asked to sign in meanwhile.
    try {
      user = session.signedIn ? (await api.users.me()).body : undefined;
      error = undefined;
    } catch (failure) {
      // A session that has ended is no failure: whoever it was signs in again.
      user = undefined;
      error = isApiProblem(failure) && failure.status === 401 ? undefined : failure;
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
  const { access = [] } = contracts[service].operations[operation as never] as { readonly access?: readonly string[] };
  const role = user?.role;
  // An admin may do what staff may (kit/contract/server.ts).
  return role !== undefined && (access.includes(role) || (role === 'admin' && access.includes('staff')));
}
