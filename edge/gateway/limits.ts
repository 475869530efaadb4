import { gateway, gatewayProblems } from '#contracts/gateway';
import type { Caller, HttpRoute, ReplyHeaders } from '#kit/contract';
import {
  createLimiter,
  createLimitHeaders,
  type Rate,
  type SharedSpending,
  type Sharing,
  shareSpending,
  type Verdict,
} from '#kit/limits';
import type { Component, World } from '#kit/runtime';

export interface LimitsOptions {
  /** Of one signed-in user, wherever from. Default 1,000 a second. */
  readonly user?: Rate;
  /** Of all who are not signed in at one address (IPv6: one /64). Default 1,000 a second. Offices and phones share addresses. */
  readonly address?: Rate;
  /** Tokens refused at one address, before more are checked: a signature costs 100 µs. Default 20 a second, 100 at once. */
  readonly refusedTokens?: Rate;
  /** Where gateways keep together what was spent. Without it each takes its part of every rate. */
  readonly shared?: SharedSpending;
  /** Gateways that live, this one included. Default 1. */
  readonly instances?: () => number;
}

/** Who comes in; a program with an API key has the allowance of that key. */
export interface Spender {
  readonly caller: Caller;
  readonly apiKey?: { readonly perSecond: number };
}

export interface DoorLimits {
  /** Counts a request; throws 429. Either way the reply tells what is left. */
  spend(route: HttpRoute, identity: Spender | undefined, source: string, replyHeaders: ReplyHeaders): void;
  /** Throws 429 where too many tokens were refused. */
  beforeVerifying(source: string): void;
  refusedToken(source: string): void;
  readonly component: Component | undefined;
}

type KeyPolicy = 'key-10' | 'key-100' | 'key-1000';
type Policy = 'user' | 'address' | 'refused-token' | KeyPolicy;

/** Whoever asks whether we live must get an answer, whatever others at that address do. */
const unlimited: ReadonlySet<string> = new Set(['livez', 'readyz', 'health']);

export function createDoorLimits(options: LimitsOptions & { readonly world: World }): DoorLimits {
  const { world, shared, instances = () => 1 } = options;
  const sharing: Sharing<Policy> | undefined = shared && shareSpending({ ...world, store: shared });
  const limiter = createLimiter<Policy>({
    ...world,
    policies: {
      user: options.user ?? { quota: 1_000 },
      address: options.address ?? { quota: 1_000 },
      'refused-token': options.refusedTokens ?? { quota: 20, burst: 100 },
      ...{ 'key-10': { quota: 10 }, 'key-100': { quota: 100 }, 'key-1000': { quota: 1_000 } },
    },
    instances: () => (sharing?.connected ? 1 : Math.max(instances(), 1)),
    ...(sharing ? { onSpent: sharing.onSpent } : {}),
  });
  sharing?.follow(limiter);
  const headers = createLimitHeaders<Policy>(limiter, [
    ...(['user', 'address', 'refused-token', 'key-10', 'key-100', 'key-1000'] as const),
  ]);

  function tooMany(policy: Policy, verdict: Verdict) {
    const { quota, periodSec = 1 } = limiter.rateOf(policy);
    const period = periodSec === 1 ? 'second' : `${periodSec} seconds`;
    return gatewayProblems['rate-limited']({
      detail: `more than ${quota} a ${period} for this ${policy}`,
      retry: { afterMs: Math.ceil(verdict.retryAfterMs) },
      headers: headers.of(policy, verdict),
    });
  }

  return {
    component: sharing?.component,
    spend(route, identity, source, replyHeaders) {
      if (route.service === gateway.service && unlimited.has(route.name)) return;
      const policy = policyOf(identity);
      const verdict = limiter.check(policy, identity ? identity.caller.id : networkOf(source));
      if (!verdict.allowed) throw tooMany(policy, verdict);
      replyHeaders(headers.of(policy, verdict));
    },
    beforeVerifying(source) {
      const verdict = limiter.look('refused-token', networkOf(source));
      if (!verdict.allowed) throw tooMany('refused-token', verdict);
    },
    refusedToken(source) {
      limiter.check('refused-token', networkOf(source));
    },
  };
}

function policyOf(identity: Spender | undefined): Policy {
  if (!identity) return 'address';
  return identity.apiKey ? (`key-${identity.apiKey.perSecond}` as KeyPolicy) : 'user';
}

/** What one person can have of the internet: one IPv4 address, or a /64 of IPv6. */
export function networkOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const groups =
    tail === undefined ? left : [...left, ...Array(Math.max(8 - left.length - right.length, 0)).fill('0'), ...right];
  return groups.slice(0, 4).join(':');
}
