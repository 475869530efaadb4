import { ApiProblem, isApiProblem } from '#api';
import type { Order } from '#contracts/orders';
import { api } from '../shop.ts';

export interface Followed {
  readonly order: Order | undefined;
  readonly error: unknown;
  /** `live`: each change shows at once. `lost`: the shop can't be reached; tried again by itself. `ended`: nothing is under way. */
  readonly line: 'connecting' | 'live' | 'lost' | 'ended';
  /** Follows again, after something was asked for. */
  restart(): void;
  stop(): void;
}

const retryMsMin = 1_000;
const retryMsMax = 15_000;
/** The server says something every 10 s; after this the line is dead, whatever the browser believes. */
const silenceMsMax = 25_000;

/** An order as it is, kept up to date by server-sent events. When the line breaks it is taken up again. */
export function follow(orderId: string): Followed {
  let order = $state.raw<Order | undefined>();
  let error = $state.raw<unknown>();
  let line = $state<Followed['line']>('connecting');
  let current = new AbortController();

  async function listen(mine: AbortController): Promise<void> {
    let retryMs = retryMsMin;
    while (!mine.signal.aborted) {
      try {
        await listenOnce(mine);
        retryMs = retryMsMin;
        if (order && isSettled(order)) {
          line = 'ended';
          return;
        }
      } catch (failure) {
        if (mine.signal.aborted) return;
        if (failure instanceof ApiProblem && !failure.mayRepeat) {
          error = failure;
          line = 'ended';
          return;
        }
        line = 'lost';
        // No room to follow is no reason to know nothing.
        if (isApiProblem(failure, 'orders/too-many-followers')) await look().catch(() => {});
        await pause(retryMs);
        retryMs = Math.min(retryMsMax, retryMs * 2);
      }
    }
  }

  async function listenOnce(mine: AbortController): Promise<void> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), silenceMsMax);
    try {
      const signal = AbortSignal.any([mine.signal, silent.signal]);
      for await (const each of api.orders.follow({ params: { orderId }, signal })) {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), silenceMsMax);
        order = each;
        error = undefined;
        line = 'live';
      }
      if (silent.signal.aborted) throw new Error('the line is silent');
    } finally {
      clearTimeout(timer);
    }
  }

  async function look(): Promise<void> {
    order = (await api.orders.get({ params: { orderId } })).body;
  }

  void listen(current);
  return {
    get order() {
      return order;
    },
    get error() {
      return error;
    },
    get line() {
      return line;
    },
    restart() {
      current.abort();
      current = new AbortController();
      void listen(current);
    },
    stop: () => current.abort(),
  };
}

function isSettled({ state, returns, refunds }: Order): boolean {
  const deciding = state === 'received' || state === 'held' || state === 'authorized' || state === 'cancelling';
  return !deciding && ![...returns, ...refunds].some((change) => change.state === 'pending');
}

/** Until the time is up or the browser has a connection again. */
function pause(afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      removeEventListener('online', end);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, afterMs);
    addEventListener('online', end);
  });
}
