import type { Tokens, users } from '#contracts/users';
import { type CallContext, type Caller, type Client, encodeCaller, isProblem } from '#kit/contract';
import type { Timers } from '#kit/runtime';
import type { Simulation } from '../simulation.ts';
import { keyOfProgram } from './program-errand.ts';
import type { Visitor } from './wire.ts';

/** Everybody's: who they are is what matters here, not how well they keep it. */
export const passwordOfAll = 'correct horse battery staple';
export const adminEmail = 'admin@example.com';

/** What people know of their accounts and tokens: they come through a door that knows nobody by name. */
export interface Accounts {
  /** The person as the shop knows them: registered and signed in. Tries until that is so. */
  signedIn(caller: Caller): Promise<Caller>;
  /** What somebody who is signed in shows at the door. */
  visitorOf(caller: string | undefined): Visitor;
  /** The door did not take their token: they need another. */
  refused(caller: Caller): void;
}

interface Account {
  /** Customers get their id from the shop. */
  readonly caller: Caller;
  readonly email: string;
  readonly address: string;
  tokens: Tokens;
  isRefused: boolean;
}

export interface AccountsOptions {
  readonly simulation: Simulation;
  readonly timers: Timers;
  readonly users: Pick<Client<typeof users>, 'register' | 'signIn' | 'refresh'>;
  readonly contextOf: (caller: Caller) => CallContext;
  /** Told what nobody else may read. */
  readonly secrets: Set<string>;
}

const attemptsMax = 300;
const restMs = 400;
const guest: Caller = { kind: 'anonymous', id: 'anonymous' };
const guestAddress = '10.0.0.1';
const programsAddress = '10.0.0.2';

export function createAccounts({ simulation, timers, users, contextOf, secrets }: AccountsOptions): Accounts {
  /** By who they are in the plan. */
  const accounts = new Map<string, Promise<Account>>();
  /** By who they are in the shop. */
  const known = new Map<string, Account>();
  const renewals = new Map<Account, Promise<void>>();

  secrets.add(passwordOfAll);

  /** Asks until there is an answer. Undefined: it was refused for good. */
  async function persist<T>(what: string, ask: (context: CallContext) => Promise<T>): Promise<T | undefined> {
    for (let i = 0; i < attemptsMax; i++) {
      try {
        return await ask(contextOf(guest));
      } catch (error) {
        if (!isProblem(error)) throw error;
        if (error.retry === 'never') return undefined;
      }
      await timers.sleep(restMs);
    }
    simulation.violate('everything ends', `${what} has no end`);
    return undefined;
  }

  function keep({ accessToken, refreshToken }: Tokens): void {
    secrets.add(accessToken).add(refreshToken);
  }

  async function signIn(email: string): Promise<Tokens> {
    const body = { email, password: passwordOfAll };
    const reply = await persist(`sign-in of ${email}`, (context) => users.signIn({ body }, context));
    if (!reply) throw new Error(`${email} has an account and can not sign in`);
    keep(reply.body);
    return reply.body;
  }

  async function open(caller: Caller, address: string): Promise<Account> {
    // What staff may do, an admin may do as well: one account for all who work here.
    if (caller.kind !== 'customer') {
      return { caller, email: adminEmail, address, tokens: await signIn(adminEmail), isRefused: false };
    }
    const email = `${caller.id}@example.com`;
    const body = { email, password: passwordOfAll };
    const made = await persist(`registration of ${email}`, (context) => users.register({ body }, context));
    if (!made) throw new Error(`${email} can not open an account`);
    const { id } = made.body;
    return { caller: { kind: 'customer', id }, email, address, tokens: await signIn(email), isRefused: false };
  }

  /** As an app does: by the refresh token, and where that is not taken any more by the password. */
  async function renew(account: Account): Promise<void> {
    const { refreshToken } = account.tokens;
    const fresh = await persist('a refresh', (context) => users.refresh({ body: { refreshToken } }, context));
    if (fresh) keep(fresh.body);
    account.tokens = fresh?.body ?? (await signIn(account.email));
    account.isRefused = false;
  }

  async function accountOf(caller: Caller): Promise<Account> {
    const name = encodeCaller(caller);
    let opening = accounts.get(name);
    if (!opening) {
      opening = open(caller, `10.0.1.${accounts.size + 1}`);
      accounts.set(name, opening);
    }
    const account = await opening;
    known.set(encodeCaller(account.caller), account);
    return account;
  }

  return {
    async signedIn(caller) {
      if (caller.kind === 'anonymous' || keyOfProgram(encodeCaller(caller)) !== undefined) return caller;
      const account = await accountOf(caller);
      if (account.isRefused) {
        // One for all windows that are open: tokens are exchanged one after the other.
        const renewal = renewals.get(account) ?? renew(account).finally(() => renewals.delete(account));
        renewals.set(account, renewal);
        await renewal;
      }
      return account.caller;
    },
    visitorOf(caller) {
      const key = keyOfProgram(caller ?? '');
      if (key !== undefined) return { token: key, address: programsAddress };
      const account = known.get(caller ?? '');
      return { token: account?.tokens.accessToken, address: account?.address ?? guestAddress };
    },
    refused(caller) {
      const account = known.get(encodeCaller(caller));
      if (account) account.isRefused = true;
    },
  };
}
