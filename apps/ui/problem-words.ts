import type { ApiProblem } from '#api';

/**
 * A problem for whoever buys or sells. What is wrong inside the shop, and in which of its services, is for those who run it:
 * they have the console.
 */
export function problemWords({ status, message, hint }: ApiProblem): string {
  if (status === 0 || status >= 500) return 'A part of the shop does not answer just now. Try again in a moment.';
  return `${message.replace(/\.$/, '')}. ${hint}`;
}
