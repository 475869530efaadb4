import { type Pool, request } from 'undici';
import type { Accepted } from '../checkers/index.ts';

export interface Buyer {
  readonly key: string;
  readonly sku: string;
  readonly quantity: number;
  readonly method: string;
}

export interface BuyersOptions {
  readonly gateway: string;
  readonly dispatcher: Pool;
  readonly buyers: readonly Buyer[];
  /** A buyer gives up after this. */
  readonly patienceMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
}

const pauseMs = 100;
const timeoutMs = 12_000;

/**
 * Buyers who behave as a good client does: whatever goes wrong they repeat with the same key, until they are told how
 * the order ended. Every answer is remembered. Those who give up are returned apart.
 */
export async function buyAll(options: BuyersOptions): Promise<{ accepted: Accepted[]; gaveUp: string[] }> {
  const accepted: Accepted[] = [];
  const gaveUp: string[] = [];
  await Promise.all(
    options.buyers.map(async (buyer) => {
      if (!(await buy(buyer, options, accepted))) gaveUp.push(buyer.key);
    }),
  );
  return { accepted, gaveUp };
}

async function buy(buyer: Buyer, options: BuyersOptions, accepted: Accepted[]): Promise<boolean> {
  const untilMs = options.nowMs() + options.patienceMs;
  while (options.nowMs() < untilMs) {
    try {
      const { status, body } = await post(buyer, options);
      if (status === 201 || status === 202) {
        const { id, state } = body as { id: string; state: string };
        accepted.push({ key: buyer.key, orderId: id, state: status === 201 ? state : undefined });
        if (status === 201) return true;
      }
    } catch {
      // The gateway, or the way to it, is down: nothing is known, so the same key is sent again.
    }
    await options.sleep(pauseMs);
  }
  return false;
}

async function post(buyer: Buyer, { gateway, dispatcher }: BuyersOptions): Promise<{ status: number; body: unknown }> {
  const reply = await request(`${gateway}/orders`, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json', 'idempotency-key': buyer.key },
    body: JSON.stringify({
      email: 'crash@example.com',
      currency: 'EUR',
      lines: [{ sku: buyer.sku, quantity: buyer.quantity }],
      payment: { method: buyer.method },
    }),
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });
  return { status: reply.statusCode, body: await reply.body.json() };
}
