import type { Order } from '#contracts/orders';
import { api } from '../console.ts';

/** Asked of the provider in one turn: each is a call to it. */
const checkedPerTurn = 10;
const rememberedMax = 5_000;
const listMax = 100;
const openStates = new Set(['received', 'held', 'authorized', 'cancelling']);

export interface Invariants {
  /** Orders that were seen since the page was opened. */
  readonly accepted: number;
  readonly ended: number;
  /** Seen once, and not there any more. */
  readonly lost: readonly string[];
  /** Of whose money the provider was asked. */
  readonly checked: number;
  /** Charged more than once, or more than they cost. */
  readonly doubleCharged: readonly string[];
  /** SKUs whose units do not add up; undefined while nobody can tell. */
  readonly unaccounted: number | undefined;
  readonly sinceMs: number;
  /** Whether anything was asked yet. */
  readonly hasLooked: boolean;
  /** Whether orders could be listed when they were asked for last. */
  readonly ordersAnswer: boolean;
}

/**
 * Watches the promises from outside, by what the API says: every order that was ever listed must stay, the provider must
 * have taken the money of each once at most, and every unit must be somewhere. While a service does not answer, what can’t
 * be asked stays as it was.
 */
export function watchInvariants() {
  const seen = new Map<string, { order: Order; isChecked: boolean }>();
  const lost = new Set<string>();
  const doubleCharged = new Set<string>();
  const sinceMs = Date.now();
  let unaccounted: number | undefined;
  let hasLooked = false;
  let ordersAnswer = false;
  let shown = $state.raw<Invariants>(read());

  function read(): Invariants {
    const all = [...seen.values()];
    return {
      accepted: all.length,
      ended: all.filter(({ order }) => !openStates.has(order.state)).length,
      lost: [...lost],
      checked: all.filter(({ isChecked }) => isChecked).length,
      doubleCharged: [...doubleCharged],
      unaccounted,
      sinceMs,
      hasLooked,
      ordersAnswer,
    };
  }

  async function lookAtOrders(): Promise<void> {
    const { items } = (await api.orders.list({ query: { limit: listMax } })).body;
    const listed = new Set(items.map(({ id }) => id));
    const oldest = items.at(-1)?.id ?? '';
    // Ids grow with time, so whatever is younger than the oldest listed one has to be among them.
    for (const id of seen.keys()) if (id >= oldest && !listed.has(id)) lost.add(id);
    for (const order of items) {
      const known = seen.get(order.id);
      const isNew = known?.order.state !== order.state;
      if (known || seen.size < rememberedMax) {
        seen.set(order.id, { order, isChecked: known?.isChecked === true && !isNew });
      }
    }
  }

  async function lookAtMoney(): Promise<void> {
    const due = [...seen.values()].filter(({ order, isChecked }) => !isChecked && !openStates.has(order.state));
    for (const entry of due.slice(-checkedPerTurn)) {
      const { id, totalMinor } = entry.order;
      const { payment } = (await api.payments.providerView({ params: { orderId: id } })).body;
      entry.isChecked = true;
      if (payment && (payment.duplicates.length > 0 || payment.capturedMinor > totalMinor)) doubleCharged.add(id);
    }
  }

  return {
    get value(): Invariants {
      return shown;
    },
    async turn(): Promise<void> {
      const stock = api.inventory.conservation().then(({ body }) => {
        unaccounted = body.violations.length;
      });
      const listed = lookAtOrders();
      const [, orders] = await Promise.allSettled([stock, listed, listed.then(lookAtMoney)]);
      ordersAnswer = orders.status === 'fulfilled';
      hasLooked = true;
      shown = read();
    },
  };
}
