import { ApiProblem } from '#api';
import { problemDetails } from '#ui/problem-words.ts';

/**
 * What it means for the shop that a service is away: for orders and money first. test/while-away.test.ts kills each and sees
 * what these say; a quarter of an hour is for how long a step of an order is repeated (kit/saga) and units are set aside.
 */
const meanings: Readonly<Record<string, string>> = {
  orders:
    'Checkouts of carts are kept and placed when it is back; other new orders are not accepted. Orders that were accepted are safe and go on then.',
  payments:
    'New orders are accepted and wait, each to be charged once; after a quarter of an hour they are refused. Refunds and cancellations end when it is back. Tills can’t charge cards.',
  inventory:
    'New orders are accepted and wait until units can be set aside for them; after a quarter of an hour they are refused, and not charged.',
  products: 'New orders are not accepted until their prices can be looked up. Orders that were accepted go on.',
  carts: 'Carts are kept, and can’t be changed or checked out. Orders that were accepted go on.',
  users: 'Nobody can sign in. Guests go on buying; who is signed in stays so for some minutes.',
  notifications: 'Mails to customers wait and go out when it is back. Orders and money are not affected.',
  analytics: 'Figures stand still and catch up when it is back. Orders and money are not affected.',
  assistant: 'Shoppers’ questions are not answered. Orders and money are not affected.',
  tills:
    'Tills go on selling for cash out of their own stock, within the bounds of being offline, and tell of it when it is back. They can’t charge cards.',
  webhooks: 'Other systems hear of what happens when it is back. Orders and money are not affected.',
};

const isLoad = (code: string): boolean => /\/(?:overloaded|busy|too-many-)/.test(code);

/** A problem for staff: what happened, and what that means for orders and money. */
export function staffWords(problem: ApiProblem): string {
  const { status, code, service = '', mayRepeat } = problem;
  const isAway = status === 0 || status === 502 || status === 503 || status === 504;
  if (code === 'payments/provider-unavailable') {
    return 'The payment provider does not answer just now. New orders are accepted and wait, each to be charged once; after a quarter of an hour they are refused.';
  }
  if (!isAway || !mayRepeat) return problemDetails(problem);
  const who = meanings[service] === undefined ? 'A part of the system' : `The service “${service}”`;
  if (isLoad(code)) return `${who} has more to do than it can just now. What is under way goes on.`;
  // It may well work for others.
  if (status === 504 || code === 'client/timeout') {
    return `${who} takes too long to answer just now. Orders that were accepted are safe.`;
  }
  return [`${who} does not answer just now.`, meanings[service]].filter(Boolean).join(' ');
}

/** What was typed can’t be sent, and nothing was. */
export const mistyped = (detail: string, hint: string): ApiProblem =>
  new ApiProblem(400, { code: 'console/mistyped', detail, hint, retry: 'never' });

/** Whether a change that was asked for may have been made all the same. Anything that is no problem was never sent. */
export const mayBeDone = (error: unknown): boolean =>
  error instanceof ApiProblem && error.status !== 429 && (error.mayRepeat || error.status === 0 || error.status >= 500);

/** What became of a change that failed, as far as anybody knows: `It was not saved`. */
export const notDone = (error: unknown, done = 'done'): string =>
  mayBeDone(error) ? `It is not known to be ${done}` : `It was not ${done}`;

/** Both in one, for one of many: whether it may be done, and why. */
export const notDoneBecause = (error: unknown, done?: string): string =>
  `${notDone(error, done)}. ${error instanceof ApiProblem ? staffWords(error) : 'It could not be sent.'}`;
