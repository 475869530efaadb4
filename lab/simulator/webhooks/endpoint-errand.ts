import type { WebhookDelivery, WebhookEndpoint } from '#contracts/webhooks';
import type { Timers } from '#kit/runtime';
import type { Ask } from '../errand.ts';
import type { Errand } from '../plan.ts';
import type { Simulation } from '../simulation.ts';
import type { Merchants } from './merchants.ts';

/** What a merchant knows for sure of an endpoint of its own. */
export interface EndpointStory {
  readonly url: string;
  /** None: all of them. */
  readonly types: readonly string[];
  /** True time before which it was not there, and from which on it was for sure. */
  readonly askedAtMs: number;
  readonly madeAtMs: number;
  /** All that sign for it, the oldest first. */
  readonly secrets: readonly string[];
  /** The `webhook-id` of a test, and the secret that was the newest when it was asked for. */
  readonly tests: readonly { readonly messageId: string; readonly secret: string }[];
}

export interface EndpointErrandOptions {
  readonly simulation: Simulation;
  /** As staff. Tries until there is an answer; undefined: it was refused for good. */
  readonly ask: Ask;
  readonly timers: Timers;
  readonly merchants: Pick<Merchants, 'leave'>;
  readonly book: EndpointStory[];
  /** Told what nobody else may read. */
  readonly secrets: Set<string>;
}

const looksMax = 200;
const lookEveryMs = 1_000;

/**
 * A merchant has an endpoint made, is away for a while, changes its secret, tries it out, and looks after it until all is well:
 * what was given up meanwhile is asked for once more.
 */
export function createEndpointErrand({ simulation, ask, timers, merchants, book, ...options }: EndpointErrandOptions) {
  type Wanted = Extract<Errand, { kind: 'endpoint' }>;
  const sinceStart = new Date(0).toISOString();

  async function secretOf(errand: Wanted, endpointId: string): Promise<string> {
    const shown = await ask<{ secret: string }>(errand, 'endpoint.secret', ({ webhooks }, context) =>
      webhooks.showSecret({ params: { endpointId } }, context),
    );
    if (shown) options.secrets.add(shown.secret);
    return shown?.secret ?? 'it was not shown';
  }

  /** Whoever loses the answer looks at what there is, and finds that another version is meant. */
  async function rotate(errand: Wanted, { id: endpointId }: WebhookEndpoint, secrets: string[]): Promise<void> {
    const now = await ask<WebhookEndpoint>(errand, 'endpoint.read', ({ webhooks }, context) =>
      webhooks.getEndpoint({ params: { endpointId } }, context),
    );
    await ask(errand, 'endpoint.rotate', ({ webhooks }, context) =>
      webhooks.rotateSecret({ headers: { 'if-match': `"${now?.version}"` }, params: { endpointId } }, context),
    );
    secrets.push(await secretOf(errand, endpointId));
  }

  async function tryOut(errand: Wanted, endpointId: string, secret: string): Promise<EndpointStory['tests']> {
    const key = `test-${errand.id}`;
    const answers = await Promise.all(
      Array.from({ length: 1 + errand.twins }, () =>
        ask<WebhookDelivery>(errand, 'endpoint.test', ({ webhooks }, context) =>
          webhooks.test({ key, params: { endpointId } }, context),
        ),
      ),
    );
    return [...new Set(answers.flatMap((answer) => answer?.messageId ?? []))].map((messageId) => ({
      messageId,
      secret,
    }));
  }

  const list = (errand: Wanted, endpointId: string, status: WebhookDelivery['status']) =>
    ask<{ items: WebhookDelivery[] }>(errand, `endpoint.${status}`, ({ webhooks }, context) =>
      webhooks.listDeliveries({ query: { endpointId, status, limit: 100 } }, context),
    );

  /** Until nothing waits, and all that was given up is under way again. What never gets there is told by `deliveriesEnd`. */
  async function lookAfter(errand: Wanted, endpointId: string): Promise<void> {
    for (let i = 0; i < looksMax; i++) {
      const isCalm = !simulation.faultsOn;
      const failed = await list(errand, endpointId, 'failed');
      if (failed && failed.items.length > 0) simulation.faults.add('delivery given up');
      const replayed = await ask<{ replayed: number }>(errand, 'endpoint.replay', ({ webhooks }, context) =>
        webhooks.replayFailed({ params: { endpointId }, body: { since: sinceStart } }, context),
      );
      const waiting = await list(errand, endpointId, 'pending');
      if (isCalm && replayed?.replayed === 0 && waiting?.items.length === 0) return;
      await timers.sleep(lookEveryMs);
    }
  }

  return async function keepEndpoint(errand: Wanted): Promise<void> {
    const url = `https://merchant-${errand.id}.example/hook`;
    const askedAtMs = simulation.world.nowMs;
    const made = await ask<WebhookEndpoint>(errand, 'endpoint', ({ webhooks }, context) =>
      webhooks.createEndpoint({ key: `endpoint-${errand.id}`, body: { url, types: [...errand.types] } }, context),
    );
    if (!made) return;
    const madeAtMs = simulation.world.nowMs;
    const away = timers.sleep(errand.awayAfterMs).then(() => merchants.leave(url, errand.awayMs));
    const secrets = [await secretOf(errand, made.id)];
    if (errand.rotates) await rotate(errand, made, secrets);
    const tests = await tryOut(errand, made.id, secrets.at(-1) as string);
    book.push({ url, types: errand.types, askedAtMs, madeAtMs, secrets, tests });
    await away;
    await lookAfter(errand, made.id);
  };
}
