import type { Static } from 'typebox';
import type { userEvents } from '#contracts/users';
import { composeLetter, type Draft, type Letter, type Shop } from './templates.ts';

type Events = { readonly [Type in keyof typeof userEvents]: Static<(typeof userEvents)[Type]> };
type Template<Data> = (data: Data, shop: Shop) => Draft | undefined;

/** What is written about which event of an account. None says more than whoever reads along may know. */
const templates = {
  'user.registered': ({ name, role }, shop) =>
    // Staff are told by whoever made them staff.
    role === 'customer'
      ? {
          subject: `Welcome to ${shop.name}`,
          blocks: [
            `${name ? `Dear ${name}, w` : 'W'}elcome to ${shop.name}: your account is ready.`,
            'If you did not open it, somebody gave your address: you need not do anything.',
          ],
        }
      : undefined,
  'user.password-reset-requested': (_data, shop) => resetDraft(shop, undefined),
  'user.password-changed': ({ how }, shop) => ({
    subject: `Your password at ${shop.name} was changed`,
    blocks: [
      how === 'reset'
        ? 'Your password was set anew with a code that we mailed to you. You are signed out everywhere.'
        : 'Your password was changed. Your other sessions have ended.',
      'If that was not you, ask for a password reset at once.',
    ],
  }),
  'user.refresh-token-reused': (_data, shop) => ({
    subject: `A session at ${shop.name} was ended for your safety`,
    blocks: [
      'Something that keeps you signed in was used twice, as it would be if somebody had copied it. We have ended that session.',
      'Sign in again. If you see sessions that you do not know, end them and change your password.',
    ],
  }),
} satisfies { readonly [Type in keyof Events]?: Template<Events[Type]> };

export const userLetters: readonly string[] = Object.keys(templates);

/** The letter about an event of an account; undefined when nobody needs one. */
export function writeUserLetter(type: string, data: unknown, shop: Shop): Letter | undefined {
  const draft = (templates as Readonly<Record<string, Template<never>>>)[type]?.(data as never, shop);
  return draft && composeLetter(draft);
}

/** A reset's letter as it is mailed. What is kept in the database is the same without the token. */
export function writeResetLetter(shop: Shop, reset: { readonly token: string; readonly expiresAt: string }): Letter {
  return composeLetter(resetDraft(shop, reset));
}

function resetDraft(shop: Shop, reset: { readonly token: string; readonly expiresAt: string } | undefined): Draft {
  return {
    subject: `Set a new password at ${shop.name}`,
    blocks: [
      `Somebody, hopefully you, asked for a new password at ${shop.name}. This code sets one, once:`,
      reset?.token ?? '(put in when the mail is sent; it is not kept)',
      ...(reset ? [`It is valid until ${reset.expiresAt.slice(0, 16).replace('T', ' ')} UTC.`] : []),
      'Tell it to nobody: we never ask for it. If you did not ask, you need not do anything.',
    ],
  };
}
