import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Logger, Timers, World } from '#kit/runtime';
import type { Faults } from './faults.ts';
import type { LedgerRecord } from './ledger-types.ts';
import { eventJson } from './wire.ts';

/** Takes one delivery; a status of 2xx acknowledges it. `deliver` must give up by itself (see `httpWebhook`). */
export interface WebhookEndpoint {
  readonly secret: string;
  deliver(rawBody: string, signatureHeader: string): Promise<number>;
}

export interface Webhooks {
  /** Queues the event of a record, if it has one. Never waits. */
  publish(record: LedgerRecord): void;
  /** Events not yet acknowledged. */
  readonly pending: number;
  /** Resolves when nothing is pending; for tests and for draining. */
  quiet(): Promise<void>;
  close(): void;
}

export interface WebhooksOptions extends Pick<World, 'clock' | 'timers' | 'log'> {
  readonly endpoints: readonly WebhookEndpoint[];
  readonly faults: Pick<Faults, 'drawWebhook'>;
  /** Attempts before an event is given up. Default 10: with the delays below, about 17 minutes. */
  readonly attemptsMax?: number;
  /** Wait before the second attempt; doubles each time. Default 1,000 ms. */
  readonly retryDelayMs?: number;
  /** Events waiting to be acknowledged; beyond it new ones are dropped, with a warning. Default 10,000. */
  readonly pendingMax?: number;
}

/** Signed deliveries with retries. Like Stripe's, they come at least once, and in no promised order. */
export function createWebhooks(options: WebhooksOptions): Webhooks {
  const { clock, timers, log, endpoints, faults } = options;
  const { attemptsMax = 10, retryDelayMs = 1_000, pendingMax = 10_000 } = options;
  const closed = new AbortController();
  let pending = 0;
  let waiters: (() => void)[] = [];
  let dropped = 0;
  /** Held back until the next event has been sent. */
  let heldBack: (() => void) | undefined;

  function publish(record: LedgerRecord): void {
    if (record.eventId === undefined || endpoints.length === 0 || closed.signal.aborted) return;
    const body = eventJson(record);
    if (!body) return;
    for (const endpoint of endpoints) enqueue(endpoint, JSON.stringify(body), record.eventId);
  }

  function enqueue(endpoint: WebhookEndpoint, body: string, eventId: string): void {
    if (pending >= pendingMax) {
      // One line for each run of drops, not one for each drop.
      if (dropped++ === 0) log.warn('sandbox webhooks are dropped: too many are waiting', { eventId, pendingMax });
      return;
    }
    if (dropped > 0) log.warn('sandbox webhooks were dropped', { count: dropped });
    dropped = 0;
    const drawn = faults.drawWebhook();
    const copies = drawn?.twice ? 2 : 1;
    pending += copies;
    const send = () => {
      for (let copy = 0; copy < copies; copy++) void deliver(endpoint, body, eventId, drawn?.lateMs ?? 0);
    };
    if (drawn?.outOfOrder && !heldBack) {
      heldBack = send;
      // With no next event to follow, it goes out after one retry delay.
      timers.after(retryDelayMs, releaseHeldBack);
      return;
    }
    send();
    releaseHeldBack();
  }

  function releaseHeldBack(): void {
    const send = heldBack;
    heldBack = undefined;
    send?.();
  }

  async function deliver(endpoint: WebhookEndpoint, body: string, eventId: string, lateMs: number): Promise<void> {
    try {
      if (lateMs > 0) await timers.sleep(lateMs, closed.signal);
      for (let attempt = 1; attempt <= attemptsMax && !closed.signal.aborted; attempt++) {
        if (await attemptDelivery(endpoint, body, clock.now(), log)) return;
        if (attempt < attemptsMax) await timers.sleep(retryDelayMs * 2 ** (attempt - 1), closed.signal);
      }
      log.warn('sandbox webhook given up', { eventId, attemptsMax });
    } catch (error) {
      if (!closed.signal.aborted) log.error('sandbox webhook failed', { eventId, error });
    } finally {
      pending--;
      if (pending === 0) for (const resolve of waiters.splice(0)) resolve();
    }
  }

  return {
    publish,
    get pending() {
      return pending;
    },
    quiet: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    close() {
      closed.abort(new Error('the sandbox is closing'));
      waiters = [];
    },
  };
}

async function attemptDelivery(endpoint: WebhookEndpoint, body: string, nowMs: number, log: Logger): Promise<boolean> {
  try {
    const status = await endpoint.deliver(body, signWebhook(body, endpoint.secret, nowMs));
    return status >= 200 && status < 300;
  } catch (error) {
    log.debug('sandbox webhook not delivered', { error });
    return false;
  }
}

/** Stripe's scheme (docs.stripe.com/webhooks/signature): HMAC-SHA256 over `<seconds>.<body>`. */
export function signWebhook(body: string, secret: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000);
  return `t=${seconds},v1=${mac(`${seconds}.${body}`, secret).toString('hex')}`;
}

/** True when one v1 signature fits and the time stamp is at most `toleranceSeconds` from `nowMs`. */
export function verifySignature(
  body: string,
  header: string,
  secret: string,
  nowMs: number,
  toleranceSeconds: number,
): boolean {
  const parts = header.split(',').map((part) => part.split('=', 2));
  const seconds = parts.find(([name]) => name === 't')?.[1];
  if (seconds === undefined || !/^\d{1,12}$/.test(seconds)) return false;
  if (Math.abs(Math.floor(nowMs / 1000) - Number(seconds)) > toleranceSeconds) return false;
  const expected = mac(`${seconds}.${body}`, secret);
  return parts.some(([name, value]) => {
    const given = Buffer.from(name === 'v1' ? (value ?? '') : '', 'hex');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

const mac = (text: string, secret: string): Buffer => createHmac('sha256', secret).update(text).digest();

/** A delivery over HTTP by whatever client the caller has (`post` resolves with the status). */
export function httpWebhook(
  secret: string,
  timers: Timers,
  post: (body: string, headers: Record<string, string>, signal: AbortSignal) => Promise<number>,
  timeoutMs = 10_000,
): WebhookEndpoint {
  return {
    secret,
    async deliver(body, signature) {
      const timeout = new AbortController();
      const cancel = timers.after(timeoutMs, () => timeout.abort(new Error(`no answer within ${timeoutMs} ms`)));
      try {
        const headers = { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature };
        return await post(body, headers, timeout.signal);
      } finally {
        cancel();
      }
    },
  };
}
