import type { Limiter, Rate, Verdict } from './limiter.ts';

/**
 * RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11): structured fields that name the policy, its
 * quota `q` in a window of `w` seconds, what remains `r`, and in how many seconds `t` it is whole again.
 */
export interface LimitHeaders<Policy extends string> {
  of(policy: Policy, verdict: Verdict): Readonly<Record<string, string>>;
}

export function createLimitHeaders<Policy extends string>(
  limiter: Limiter<Policy>,
  policies: readonly Policy[],
): LimitHeaders<Policy> {
  const texts = new Map(policies.map((policy) => [policy, policyText(policy, limiter.rateOf(policy))]));
  return {
    of: (policy, { remaining, resetMs }) => ({
      'ratelimit-policy': texts.get(policy) as string,
      // In whole milliseconds first: a sum of fractions may be a trillionth of a second too long, and tell one more.
      ratelimit: `"${policy}";r=${remaining};t=${Math.ceil(Math.round(resetMs) / 1_000)}`,
    }),
  };
}

function policyText(policy: string, { quota, periodSec = 1 }: Rate): string {
  return `"${policy}";q=${quota};w=${periodSec}`;
}
