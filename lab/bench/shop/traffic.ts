import { Agent, request as send } from 'undici';

/** One request as its client saw it. */
export interface Seen {
  readonly kind: 'read' | 'checkout';
  readonly startMs: number;
  readonly tookMs: number;
  /** 0: no answer came. */
  readonly status: number;
  /** What it said, or why there was no answer; of those that failed. */
  readonly why?: string;
  /** A failure that says what it is: a problem document, or a sentence, with the time to come back. */
  readonly isClear: boolean;
  /** Its connection ended without an answer, so it was asked once more, as browsers do. */
  readonly isAgain?: true;
}

/** From the start of one request of a client to the start of its next, unless that takes longer; 0: without a pause. */
export interface Pace {
  readonly readMs: number;
  readonly checkoutMs: number;
}

export interface TrafficOptions {
  readonly origin: string;
  readonly seed: string;
  readonly browsers: number;
  readonly buyers: number;
  readonly pace: Pace;
}

export interface Traffic {
  readonly seen: readonly Seen[];
  /** Orders by key, of those that were told to a client: each id that it was ever told. */
  readonly told: ReadonlyMap<string, ReadonlySet<string>>;
  /** Keys under which anything was asked for. */
  readonly asked: ReadonlySet<string>;
  /** No new requests; resolves when those under way have been answered, and every buyer knows what became of the order. */
  stop(): Promise<void>;
}

export const skus: readonly string[] = ['HF-SKER-40', 'HF-SKER-60', 'HF-SKER-70'];
/** What the edge may keep, and what only a service knows. */
const reads = ['/products?limit=10', '/products/skerry-dynamic-rope', '/inventory/availability?sku=HF-SKER-40'];
const timeoutMs = 12_000;
const againAfterMs = 200;
const againForMs = 60_000;
/** What undici and the system call it. */
const lostConnection: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/**
 * Clients who read and buy, each the next when the one before was answered, until they are stopped. A buyer who is told nothing
 * asks again under the same key. A read whose connection ends without an answer is asked once more on another (RFC 9110,
 * section 9.2.2): whoever was connected to a process that is killed sees that, and no browser shows it.
 */
export function startTraffic({ origin, seed, browsers, buyers, pace }: TrafficOptions): Traffic {
  const agent = new Agent({ connections: browsers + buyers, pipelining: 1 });
  const seen: Seen[] = [];
  const told = new Map<string, Set<string>>();
  const asked = new Set<string>();
  let isOver = false;
  let count = 0;

  async function ask(kind: Seen['kind'], path: string, init: object): Promise<{ status: number; text: string }> {
    const startMs = performance.now();
    const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
    for (let tries = 1; ; tries++) {
      const again = tries > 1 ? ({ isAgain: true } as const) : {};
      try {
        const reply = await send(`${origin}${path}`, { dispatcher: agent, ...timeouts, ...init });
        const text = await reply.body.text();
        const { statusCode: status, headers } = reply;
        const isClear = text.length > 0 && (status < 500 || headers['retry-after'] !== undefined || isProblem(text));
        const tookMs = performance.now() - startMs;
        const why = status >= 400 ? { why: text.slice(0, 300) } : {};
        seen.push({ kind, startMs, tookMs, status, isClear, ...why, ...again });
        return { status, text };
      } catch (error) {
        const { code = '', message } = error as { code?: string; message: string };
        if (kind === 'read' && tries === 1 && lostConnection.has(code)) continue;
        const tookMs = performance.now() - startMs;
        seen.push({ kind, startMs, tookMs, status: 0, isClear: false, why: `${code} ${message}`, ...again });
        return { status: 0, text: '' };
      }
    }
  }

  /** Waits until a client's next request is due, which may be at once. */
  const untilDue = (startMs: number, paceMs: number) => sleep(Math.max(0, startMs + paceMs - performance.now()));

  async function browse(client: number): Promise<void> {
    for (let turn = client; !isOver; turn++) {
      const startMs = performance.now();
      await ask('read', reads[turn % reads.length] as string, {});
      await untilDue(startMs, pace.readMs);
    }
  }

  async function buy(client: number): Promise<void> {
    while (!isOver) {
      const startMs = performance.now();
      count += 1;
      const key = `${seed}-${client}-${count}`;
      asked.add(key);
      await order(key, skus[count % skus.length] as string);
      await untilDue(startMs, pace.checkoutMs);
    }
  }

  async function order(key: string, sku: string): Promise<void> {
    const lines = [{ sku, quantity: 1 }];
    const body = { email: `${key}@example.com`, currency: 'EUR', lines, payment: { method: 'pm_card_visa' } };
    const headers = { 'content-type': 'application/json', 'idempotency-key': key };
    const patienceEndMs = performance.now() + againForMs;
    while (performance.now() < patienceEndMs) {
      const { status, text } = await ask('checkout', '/orders', {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      if (status === 201 || status === 202) {
        const ids = told.get(key) ?? new Set();
        told.set(key, ids.add((JSON.parse(text) as { id: string }).id));
        return;
      }
      await sleep(againAfterMs);
    }
  }

  const clients = [
    ...Array.from({ length: browsers }, (_, client) => browse(client)),
    ...Array.from({ length: buyers }, (_, client) => buy(client)),
  ];
  return {
    seen,
    told,
    asked,
    async stop() {
      isOver = true;
      await Promise.all(clients);
      await agent.close();
    },
  };
}

/** RFC 9457, as far as a client looks. */
function isProblem(text: string): boolean {
  try {
    const { code, title } = JSON.parse(text);
    return typeof code === 'string' && typeof title === 'string';
  } catch {
    return false;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
