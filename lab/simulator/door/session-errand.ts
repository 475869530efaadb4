import type { Tokens } from '#contracts/users';
import type { Ask } from '../errand.ts';
import type { Errand } from '../plan.ts';
import { passwordOfAll } from './accounts.ts';

/** What became of the refresh tokens of one session. */
export interface SessionStory {
  readonly sessionId: string;
  readonly userId: string;
  /** Every answer to every token that was shown: with repeats and several tabs there are more answers than tokens. */
  readonly exchanges: { readonly token: string; readonly successor: string }[];
  /** What became of it when a token was shown that had been used up two exchanges before. */
  readonly theft: { readonly isTaken: boolean; readonly isNewestTaken: boolean } | undefined;
}

export interface SessionErrandOptions {
  readonly ask: Ask;
  readonly book: SessionStory[];
  readonly secrets: Set<string>;
}

/**
 * Somebody stays signed in on a device whose answers get lost and whose tabs ask at once; and then somebody comes with a copy of
 * a token that was used up two exchanges ago, which is to end the session for both.
 */
export function createSessionErrand({ ask, book, secrets }: SessionErrandOptions) {
  return async function staySignedIn(errand: Extract<Errand, { kind: 'session' }>): Promise<void> {
    const email = `device-${errand.id}@example.com`;
    const body = { email, password: passwordOfAll };
    const user = await ask<{ id: string }>(errand, 'session.register', ({ users }, context) =>
      users.register({ body }, context),
    );
    const first = await ask<Tokens>(errand, 'session.open', ({ users }, context) => users.signIn({ body }, context));
    if (!user || !first) return;
    const shown: string[] = [];
    const exchanges: { token: string; successor: string }[] = [];

    async function exchange(token: string): Promise<string | undefined> {
      const tokens = await ask<Tokens>(errand, 'session.refresh', ({ users }, context) =>
        users.refresh({ body: { refreshToken: token } }, context),
      );
      if (tokens) secrets.add(tokens.accessToken).add(tokens.refreshToken);
      if (tokens) exchanges.push({ token, successor: tokens.refreshToken });
      return tokens?.refreshToken;
    }

    let newest: string | undefined = first.refreshToken;
    for (let i = 0; newest !== undefined && i < errand.exchanges; i++) {
      const token: string = newest;
      shown.push(token);
      const answers: (string | undefined)[] = await Promise.all(
        Array.from({ length: 1 + errand.twins }, () => exchange(token)),
      );
      newest = answers.find((answer) => answer !== undefined);
    }
    const [oldest] = shown;
    let theft: SessionStory['theft'];
    if (errand.stolen && newest !== undefined && oldest !== undefined && shown.length >= 2) {
      const isTaken = (await exchange(oldest)) !== undefined;
      theft = { isTaken, isNewestTaken: (await exchange(newest)) !== undefined };
    }
    book.push({ sessionId: first.sessionId, userId: user.id, exchanges, theft });
  };
}
