import type { Arrival } from '#kit/contract';
import type { Logger } from '#kit/runtime';

/**
 * Says once that somebody in front names its clients in a header that is not believed. Where that is a proxy of ours, all that
 * come through it are one address to us and share its allowances, and nothing else would tell why shoppers are refused.
 */
export function noticeForwarded(log: Logger, trustedProxies: number): (arrival: Arrival) => void {
  let isSaid = trustedProxies > 0;
  return ({ headers, remoteAddress }) => {
    if (isSaid || (headers['x-forwarded-for'] === undefined && headers['forwarded'] === undefined)) return;
    isSaid = true;
    log.warn(
      'requests come with X-Forwarded-For or Forwarded, which is not believed: if they come through a proxy of yours, its ' +
        'clients share one address and its limits; set gateway.trustedProxies in the topology to the number of proxies in front',
      { peer: remoteAddress, trustedProxies },
    );
  };
}
