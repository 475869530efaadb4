import { Agent, request as send } from 'undici';
import { skus } from './traffic.ts';

export interface Load {
  /** Answered as wished and in time, a second. */
  readonly goodPerSec: number;
  readonly askedPerSec: number;
  /** Share of each kind that was answered as wished. */
  readonly readShare: number;
  readonly checkoutShare: number;
  readonly p99Ms: number;
  /** Those that got neither an answer nor a refusal in time. */
  readonly unanswered: number;
}

export interface LoadOptions {
  readonly origin: string;
  readonly seed: string;
  readonly forMs: number;
  /** Of all requests; the rest are reads. */
  readonly checkoutShare: number;
  /** Requests a second, whatever becomes of them; absent: as many as `clients` get answered. */
  readonly perSec?: number;
  readonly clients: number;
}

/** Whoever waits longer has gone. */
const patienceMs = 5_000;
const tickMs = 10;
/** As many as a machine of this size can keep open; more are not sent, and count as not answered. */
const openMax = 4_000;

/** Asks a shop for more than it can do: reads that a cache can't answer, and checkouts. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { origin, seed, forMs, checkoutShare, perSec, clients } = options;
  const agent = new Agent({ connections: perSec === undefined ? clients : openMax, pipelining: 1 });
  const counts = { read: { asked: 0, good: 0 }, checkout: { asked: 0, good: 0 } };
  const times: number[] = [];
  let [number, open, unanswered] = [0, 0, 0];

  async function one(): Promise<void> {
    number += 1;
    const isCheckout = Math.floor(number * checkoutShare) > Math.floor((number - 1) * checkoutShare);
    const count = counts[isCheckout ? 'checkout' : 'read'];
    count.asked += 1;
    if (open >= openMax) {
      unanswered += 1;
      return;
    }
    open += 1;
    const startMs = performance.now();
    try {
      const { statusCode, body } = await send(`${origin}${isCheckout ? '/orders' : readPath(number)}`, {
        dispatcher: agent,
        headersTimeout: patienceMs,
        signal: AbortSignal.timeout(patienceMs),
        ...(isCheckout ? orderOf(seed, number) : {}),
      });
      await body.dump();
      if (statusCode < 300) {
        count.good += 1;
        times.push(performance.now() - startMs);
      }
    } catch {
      unanswered += 1;
    } finally {
      open -= 1;
    }
  }

  const endMs = performance.now() + forMs;
  if (perSec === undefined) {
    const client = async () => {
      while (performance.now() < endMs) await one();
    };
    await Promise.all(Array.from({ length: clients }, client));
  } else await atRate(perSec, endMs, one);
  times.sort((a, b) => a - b);
  const { read, checkout } = counts;
  await agent.destroy();
  return {
    goodPerSec: Math.round(((read.good + checkout.good) * 1_000) / forMs),
    askedPerSec: Math.round(((read.asked + checkout.asked) * 1_000) / forMs),
    readShare: read.good / Math.max(1, read.asked),
    checkoutShare: checkout.good / Math.max(1, checkout.asked),
    p99Ms: Math.round(times[Math.floor(times.length * 0.99)] ?? 0),
    unanswered,
  };
}

/** An open loop: nobody waits for the one before. */
async function atRate(perSec: number, endMs: number, one: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  const all: Promise<void>[] = [];
  for (let sent = 0; performance.now() < endMs; ) {
    const due = Math.floor(((performance.now() - startMs) * perSec) / 1_000);
    for (; sent < due; sent++) all.push(one());
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  await Promise.all(all);
}

/** Each asks for something else, so that no cache answers. */
const readPath = (number: number): string => `/products?limit=5&q=rope%20${number}`;

function orderOf(seed: string, number: number) {
  const key = `${seed}-${number}`;
  const lines = [{ sku: skus[number % skus.length], quantity: 1 }];
  const order = { email: `${key}@example.com`, currency: 'EUR', lines, payment: { method: 'pm_card_visa' } };
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  return { method: 'POST' as const, headers, body: JSON.stringify(order) };
}
