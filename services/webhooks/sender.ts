import { createLoop, type Loop, type Turn } from '#kit/messaging';
import type { Database, World } from '#kit/runtime';
import type { Posted, Poster } from './post.ts';
import { type Seal, signaturesOf } from './sign.ts';
import { type DueRow, disableEndpoint, giveBack, leaseDue, markDelivered, markTried, type Tried } from './store.ts';

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

/** After the first attempt, as Standard Webhooks proposes it: some 27 hours in all. */
export const retryDelaysMs: readonly number[] = [
  ...[5 * secondMs, 5 * minuteMs, 30 * minuteMs],
  ...[2 * hourMs, 5 * hourMs, 10 * hourMs, 10 * hourMs],
];

export interface SenderOptions {
  readonly database: Database;
  readonly world: World;
  readonly poster: Poster;
  readonly seal: Seal;
  /** Waits between attempts, each made up to a fifth longer by chance; after the last one it is given up. */
  readonly retryDelaysMs?: readonly number[];
  /** An endpoint where nothing arrived for so long is disabled. Default 3 days. */
  readonly disableAfterMs?: number;
  /** Posts under way at once, from one instance. Default 32. */
  readonly underWayMax?: number;
  /** Posts to one endpoint under way at once, from all instances. Default 4. */
  readonly perEndpointMax?: number;
  /** Longer than a post takes. Default 60,000 ms. */
  readonly leaseMs?: number;
  /** Default 1,000 ms. */
  readonly pollMs?: number;
  /** Posts that are under way when it stops are waited for so long; then another instance posts them again. Default 5,000 ms. */
  readonly stopAfterMs?: number;
}

/**
 * Posts what is due. Any number of instances; a delivery is leased by one at a time. HTTP has no transaction: if we crash
 * after the receiver took a message and before that is recorded, it is posted again, under the same webhook-id, by which
 * receivers know it. Messages are posted as they can be, so their order is not kept.
 */
export function createSender(options: SenderOptions): Loop {
  const { database, world, poster, seal, underWayMax = 32, perEndpointMax = 4, leaseMs = 60_000 } = options;
  const { disableAfterMs = 3 * 24 * hourMs, pollMs = 1_000, stopAfterMs = 5_000 } = options;
  const delaysMs = options.retryDelaysMs ?? retryDelaysMs;
  const { clock, timers, random, log } = world;
  const owner = world.ids.next('snd');
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();

  async function turn(): Promise<Turn> {
    const limit = underWayMax - underWay.size;
    const due = limit > 0 ? await leaseDue(database, { owner, leaseMs, limit, perEndpointMax }) : [];
    for (const row of due) {
      const work: Promise<void> = sendOne(row)
        .catch((error) => log.warn('a webhook is tried again when its lease ends', { delivery: row.id, error }))
        .finally(() => {
          underWay.delete(work);
          loop.wake();
        });
      underWay.add(work);
    }
    return due.length > 0 ? { worked: due.length } : 'idle';
  }

  async function sendOne(row: DueRow): Promise<void> {
    const startMs = clock.monotonicMs();
    const posted = await post(row);
    const { status, answer, error } = posted;
    if (status === undefined && stopping.signal.aborted) return giveBack(database, row.id, owner);
    const tried: Tried = { row, durationMs: clock.monotonicMs() - startMs, status, answer, error };
    if (status !== undefined && status >= 200 && status < 300) {
      await database.transaction((tx) => markDelivered(tx, tried));
      return;
    }
    const delayMs = delayOf(row.attempts, posted);
    const failingMs = await database.transaction((tx) => markTried(tx, owner, tried, delayMs));
    // 410 Gone: the receiver wants no more, by the specification.
    if (status === 410) await disable(row, 'it answered 410 Gone');
    else if (failingMs >= disableAfterMs) {
      await disable(row, `nothing has arrived there for ${Math.round(failingMs / hourMs)} hours`);
    }
  }

  async function post(row: DueRow): Promise<Posted> {
    const timestampSec = Math.floor(clock.now() / 1_000);
    const sealed = [row.secretSealed, ...(row.oldSecretSealed ? [row.oldSecretSealed] : [])];
    const secrets = sealed.map((one) => seal.open(row.endpointId, one));
    const abort = new AbortController();
    const cancel = timers.after(leaseMs / 2, () => abort.abort(new Error(`no answer within ${leaseMs / 2} ms`)));
    try {
      return await poster.post(
        row.url,
        {
          'content-type': 'application/json',
          'user-agent': 'Holdfast-Webhooks/1.0',
          'webhook-id': row.messageId,
          'webhook-timestamp': String(timestampSec),
          'webhook-signature': signaturesOf(secrets, { id: row.messageId, timestampSec, body: row.payload }),
        },
        row.payload,
        AbortSignal.any([abort.signal, stopping.signal]),
      );
    } finally {
      cancel();
    }
  }

  /** Undefined: it is given up. Whoever asks for a longer pause gets it. */
  function delayOf(attempts: number, { status, retryAfterMs = 0 }: Posted): number | undefined {
    const delayMs = delaysMs[attempts - 1];
    if (delayMs === undefined || status === 410) return undefined;
    return Math.max(delayMs * (1 + random.next() / 5), retryAfterMs);
  }

  async function disable({ endpointId }: DueRow, why: string): Promise<void> {
    if (await disableEndpoint(database, endpointId, why))
      log.error('a webhook endpoint was disabled', { endpointId, why });
  }

  const loop = createLoop({ name: 'webhook sender', clock, timers, random, log, turn, pollMs });
  return {
    ...loop,
    async stop() {
      await loop.stop();
      const cancel = timers.after(stopAfterMs, () => stopping.abort(new Error('this instance stops')));
      await Promise.all(underWay);
      cancel();
    },
  };
}
