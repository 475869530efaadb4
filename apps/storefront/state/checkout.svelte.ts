import { ApiProblem, isApiProblem } from '#api';
import type { CartNote, Checkout, CheckoutInput } from '#contracts/carts';
import { api, go, href } from '../shop.ts';
import { cart } from './cart.svelte.ts';
import { stored } from './stored.ts';

/**
 * One attempt to buy. It is written down before it is sent, with the very words that are sent, and only taken away once
 * the shop has said how it went. Sending it again, after a lost reply, a reload or from another tab, is the same attempt:
 * cart and round name it, so there is one order and one charge, however often it arrives.
 */
interface Attempt {
  readonly cartId: string;
  readonly round: number;
  readonly input: CheckoutInput;
}

export type Phase =
  | { readonly kind: 'idle' }
  /** On its way for the first time. */
  | { readonly kind: 'sending' }
  /** No answer came: it may or may not have arrived. It is sent again by itself. */
  | { readonly kind: 'unheard'; readonly isOffline: boolean; readonly isSending: boolean }
  /** Durable at the shop; the order itself is placed as soon as that part of the shop can be reached. */
  | { readonly kind: 'saved' }
  /** Not placed, and nothing charged. */
  | { readonly kind: 'changed'; readonly notes: readonly CartNote[] }
  | { readonly kind: 'failed'; readonly problem: ApiProblem };

const file = stored<Attempt>('checkout');
const retryMsMin = 1_500;
const retryMsMax = 15_000;
const lookPeriodMs = 1_500;

let phase = $state.raw<Phase>({ kind: 'idle' });
let timer: ReturnType<typeof setTimeout> | undefined;
let running = false;
let retryMs = retryMsMin;

function later(work: () => void, afterMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(work, afterMs);
}

async function send(): Promise<void> {
  const attempt = file.read();
  if (!attempt || running) return;
  running = true;
  clearTimeout(timer);
  phase =
    phase.kind === 'unheard' ? { ...phase, isSending: true } : phase.kind === 'saved' ? phase : { kind: 'sending' };
  try {
    const { cartId, round, input } = attempt;
    const reply = await api.carts.checkout({ params: { cartId, round: String(round) }, body: input });
    retryMs = retryMsMin;
    await heard(reply.body);
  } catch (error) {
    await unheard(attempt, error);
  } finally {
    running = false;
  }
}

/** The shop has it. Where the order has an id, its own page tells the rest. */
async function heard(checkout: Checkout): Promise<void> {
  if (checkout.orderId === undefined) {
    const isNews = phase.kind !== 'saved';
    phase = { kind: 'saved' };
    later(() => void look(), lookPeriodMs);
    if (isNews) await cart.bought();
    return;
  }
  file.clear();
  phase = { kind: 'idle' };
  go(href('order', { orderId: checkout.orderId }), 'replace');
  await cart.bought();
}

/** Asks how a saved checkout stands; a lost connection is no news. */
async function look(): Promise<void> {
  const attempt = file.read();
  if (!attempt) return;
  try {
    const params = { cartId: attempt.cartId, round: String(attempt.round) };
    await heard((await api.carts.getCheckout({ params })).body);
  } catch {
    later(() => void look(), lookPeriodMs);
  }
}

async function unheard(attempt: Attempt, error: unknown): Promise<void> {
  if (isApiProblem(error, 'carts/other-round')) return settle(attempt, error);
  if (error instanceof ApiProblem && !error.mayRepeat) {
    file.clear();
    await cart.refresh().catch(() => {});
    const notes = error.data['changes'] as readonly CartNote[] | undefined;
    phase = error.code === 'carts/changed' && notes ? { kind: 'changed', notes } : { kind: 'failed', problem: error };
    return;
  }
  phase = { kind: 'unheard', isOffline: isApiProblem(error, 'client/offline'), isSending: false };
  later(() => void send(), retryMs);
  retryMs = Math.min(retryMsMax, retryMs * 2);
}

/** This round is over: how it ended is known under its number. */
async function settle({ cartId, round }: Attempt, error: ApiProblem): Promise<void> {
  try {
    await heard((await api.carts.getCheckout({ params: { cartId, round: String(round) } })).body);
  } catch (failure) {
    if (!isApiProblem(failure, 'carts/not-found')) throw failure;
    file.clear();
    phase = { kind: 'failed', problem: error };
  }
}

addEventListener('online', () => void send());
file.onElsewhere(() => {
  if (!file.read()) phase = { kind: 'idle' };
});

export const checkout = {
  get phase(): Phase {
    return phase;
  },
  /** An attempt whose end is not known yet. */
  get isUnderWay(): boolean {
    return phase.kind === 'sending' || phase.kind === 'unheard' || phase.kind === 'saved';
  },
  /** Buys what the shopper sees: nothing else is placed, and at no other total. */
  async buy(input: Omit<CheckoutInput, 'seen'>): Promise<void> {
    const view = cart.view;
    if (!view?.totals || file.read()) return send();
    const lines = view.totals.lines.map(({ sku, quantity, unitPriceMinor }) => ({ sku, quantity, unitPriceMinor }));
    const seen = { totalMinor: view.totals.totalMinor, lines };
    file.write({ cartId: view.id, round: view.round, input: { ...input, seen } });
    await send();
  },
  again: (): Promise<void> => send(),
  /** Goes on with an attempt of before a reload. */
  resume(): void {
    if (file.read()) void send();
  },
  dismiss(): void {
    phase = { kind: 'idle' };
  },
};
