import type { Random } from '#kit/runtime';
import type { HttpFault } from '../proxy/http.ts';
import type { ActiveFault, Direction, TcpFault } from '../proxy/tcp.ts';
import { drawBetween, drawOne, type Fault, type Injection, type Shape } from './fault.ts';

/** What the faults of the network have in common: they are injected at the proxies, and strikes are counted there. */

const directions: readonly Direction[] = ['to-server', 'to-client'];
export const drawDirection = (random: Random): Direction => drawOne(random, directions);

const between = drawBetween;
export const allWays = ({ ways }: Shape): string[] => ways.map(({ name }) => name);

/** Ways that carry traffic all the time: a fault elsewhere may wait long until somebody feels it. */
const busy = /^(clients→|gateway→orders|orders→|payments→|inventory→postgres|all→)/;
export const busyWays = (shape: Shape): string[] => allWays(shape).filter((name) => busy.test(name));
export const busyHttpWays = ({ ways }: Shape): string[] =>
  ways.filter(({ name, protocol }) => protocol === 'http' && busy.test(name)).map(({ name }) => name);

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
      return injectionOf([rig.ways.injectHttp(target, fault)], `each with chance ${fault.probability.toFixed(2)}`);
    },
  };
}
