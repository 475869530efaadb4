import { paymentsProblems } from '#contracts/payments';
import type { Problem } from '#kit/contract';
import type { ProviderError } from '../provider/index.ts';

/** The provider forgets keys after a day: an older call is looked up before it is repeated. */
export const keyAgeMsMax = 20 * 3600 * 1000;

/** A stored 5xx comes back for ever, whatever the call has done: only looking can tell what it hides. */
export function isStored(error: ProviderError): boolean {
  return error.outcome === 'unknown' && error.retry === 'never';
}

/** A failure of the provider in the words of this service. */
export function providerProblem(error: ProviderError): Problem {
  const { outcome, message: detail, retry } = error;
  if (outcome === 'refused') return paymentsProblems['provider-refused']({ detail, cause: error });
  // What was not sent may know better when to come back.
  const advice = outcome === 'not-done' && typeof retry === 'object' ? { retry } : {};
  return paymentsProblems['provider-unavailable']({ detail, cause: error, ...advice });
}
