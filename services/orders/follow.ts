import { type Order, ordersProblems } from '#contracts/orders';
import type { Clock, Timers } from '#kit/runtime';

/** How often orders that are followed are looked at: all of them with one statement, and only while there are any. */
const lookPeriodMs = 200;
/** An order that stays as it is is sent again, so that whoever listens knows that the line is not dead. */
const repeatMs = 10_000;
/** Whoever wants to know more asks again: so a forgotten page does not hold a connection for ever. */
const followMsMax = 120_000;
/** Pages that follow at once, in this process. One more is refused and reads the order from time to time instead. */
const followersMaxDefault = 2_000;

export interface FollowersOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** The orders of these ids as they are now. */
  readonly read: (ids: readonly string[]) => Promise<ReadonlyMap<string, Order>>;
  readonly followersMax?: number;
}

export interface Followers {
  /** The order at once, then whenever it changes. Throws `orders/too-many-followers` where there is no room. */
  follow(order: Order, signal: AbortSignal): AsyncIterable<Order>;
}

/** Lets people watch their orders. Nothing of the way that orders take knows of it: it reads what is committed. */
export function createFollowers(options: FollowersOptions): Followers {
  const { clock, timers, read, followersMax = followersMaxDefault } = options;
  /** Followers by order. */
  const followed = new Map<string, number>();
  let count = 0;
  let underWay: Promise<ReadonlyMap<string, Order>> | undefined;

  /** What all who wait within one period learn together. */
  function look(): Promise<ReadonlyMap<string, Order>> {
    underWay ??= timers.sleep(lookPeriodMs).then(() => {
      underWay = undefined;
      return read([...followed.keys()]);
    });
    return underWay;
  }

  function add(id: string, change: 1 | -1): void {
    count += change;
    const left = (followed.get(id) ?? 0) + change;
    if (left > 0) followed.set(id, left);
    else followed.delete(id);
  }

  async function* watch(order: Order, signal: AbortSignal): AsyncIterable<Order> {
    const endsAtMs = clock.monotonicMs() + followMsMax;
    add(order.id, 1);
    try {
      let shown = JSON.stringify(order);
      let shownAtMs = clock.monotonicMs();
      yield order;
      let current = order;
      while (isUnderWay(current) && !signal.aborted && clock.monotonicMs() < endsAtMs) {
        current = (await look()).get(order.id) ?? current;
        const text = JSON.stringify(current);
        if (text === shown && clock.monotonicMs() - shownAtMs < repeatMs) continue;
        shown = text;
        shownAtMs = clock.monotonicMs();
        yield current;
      }
    } finally {
      add(order.id, -1);
    }
  }

  return {
    follow(order, signal) {
      if (count >= followersMax) throw ordersProblems['too-many-followers']();
      return watch(order, signal);
    },
  };
}

const deciding: ReadonlySet<string> = new Set(['received', 'held', 'authorized', 'cancelling']);

/** Whether anything is still to happen by itself. */
function isUnderWay({ state, returns, refunds }: Order): boolean {
  return deciding.has(state) || [...returns, ...refunds].some((change) => change.state === 'pending');
}
