import type { Random } from '#kit/runtime';
import type { HttpFault } from '../proxy/http.ts';
import type { ActiveFault, Direction, TcpFault } from '../proxy/tcp.ts';
import type { Way } from '../wiring.ts';
import { drawBetween, drawOne, type Fault, type Injection, type Shape } from './fault.ts';

/** What the faults of the network have in common: they are injected at the proxies, and strikes are counted there. */

const directions: readonly Direction[] = ['to-server', 'to-client'];
export const drawDirection = (random: Random): Direction => drawOne(random, directions);

const between = drawBetween;

/** Ways that carry traffic all the time: a fault elsewhere may wait long until somebody feels it. */
const busy = /^(clients→|edge→balancer|balancer→gateway|gateway→orders|orders→|payments→|inventory→postgres|all→)/;
/** Whichever of several instances it is. */
const isBusy = ({ name }: Way): boolean => busy.test(name.replaceAll(/-\d+(?=→|$)/g, ''));
export const busyWays = ({ ways }: Shape): string[] => ways.filter(isBusy).map(({ name }) => name);
export const busyHttpWays = ({ ways }: Shape): string[] =>
  ways.filter((way) => way.protocol === 'http' && isBusy(way)).map(({ name }) => name);

export function injectionOf(active: readonly ActiveFault[], detail: string): Injection {
  return {
    detail,
    effects: () => active.reduce((sum, fault) => sum + fault.strikes(), 0),
    heal() {
      for (const fault of active) fault.heal();
    },
  };
}

/** A fault at one way's TCP proxy. */
export function tcpFault(
  about: Pick<Fault, 'name' | 'does' | 'durationMs'> & { readonly targets?: Fault['targets'] },
  draw: (random: Random, by: typeof between) => { readonly fault: TcpFault; readonly detail: string },
): Fault {
  return {
    targets: busyWays,
    ...about,
    class: 'network',
    async inject(rig, target, random) {
      const { fault, detail } = draw(random, between);
      return injectionOf([rig.ways.injectTcp(target, fault)], detail);
    },
  };
}

/** A fault at one way's HTTP proxy. */
export function httpFault(
  about: Pick<Fault, 'name' | 'does' | 'durationMs'>,
  draw: (random: Random, by: typeof between) => HttpFault,
): Fault {
  return {
    ...about,
    class: 'network',
    targets: busyHttpWays,
    async inject(rig, target, random) {
      const fault = draw(random, between);
      return injectionOf(
        [await rig.ways.injectHttp(target, fault)],
        `each with chance ${fault.probability.toFixed(2)}`,
      );
    },
  };
}
