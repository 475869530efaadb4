import { pageFrom, pageSizeDefault, positionOf, timeAt } from '#contracts/common';
import { type WebhookDelivery, type WebhookEndpoint, type webhooks, webhooksProblems } from '#contracts/webhooks';
import { type CallContext, checkIfMatch, contractProblems, type Handlers } from '#kit/contract';
import type { LogicalClock, Subscription } from '#kit/messaging';
import { deadLetterHandlers } from '#kit/messaging/operations';
import type { Database, Transaction, World } from '#kit/runtime';
import { payloadOf } from './consumer.ts';
import { urlMistake } from './guard.ts';
import { type Seal, sealNonceSizeBytes, secretSizeBytes, secretText } from './sign.ts';
import {
  type AttemptRow,
  type DeliveryRow,
  deleteEndpoint,
  type EndpointRow,
  insertDeliveries,
  insertEndpoint,
  insertReplay,
  insertReplays,
  listDeliveries,
  listEndpoints,
  lockEndpoint,
  readAttempts,
  readByCause,
  readDelivery,
  readEndpoint,
  readFailedSince,
  rotateSecret,
  saveEndpoint,
} from './store.ts';

export interface HandlerOptions {
  readonly world: World;
  readonly database: Database;
  readonly seal: Seal;
  readonly allowPrivate: boolean;
  readonly deadLetters: Subscription['deadLetters'];
  readonly lag: Subscription['lag'];
  /** Says when an endpoint was made. */
  readonly logicalClock: LogicalClock | undefined;
  /** Something is to be posted. */
  readonly wakeSender: () => void;
  /** There is an endpoint. Never rejects. */
  readonly onEndpoint: () => Promise<void>;
}

const endpointsMax = 50;
const replayMax = 1_000;
const secretOverlapMs = 24 * 3_600_000;

export function createHandlers(options: HandlerOptions): Handlers<typeof webhooks> {
  const { world, database, seal, allowPrivate, deadLetters, lag, logicalClock, wakeSender, onEndpoint } = options;
  const { ids, random, clock } = world;

  function newSecret(endpointId: string) {
    const secret = random.bytes(secretSizeBytes);
    return { secret, sealed: seal.close(endpointId, secret, random.bytes(sealNonceSizeBytes)) };
  }
  function checkUrl(url: string): void {
    const mistake = urlMistake(url, allowPrivate);
    if (mistake) throw webhooksProblems['bad-url']({ detail: `${url} ${mistake}` });
  }
  const keyOf = ({ caller, idempotencyKey = '' }: CallContext) => `${caller.kind}:${caller.id}:${idempotencyKey}`;

  async function enabled(tx: Transaction, endpointId: string): Promise<EndpointRow> {
    const endpoint = existing(await readEndpoint(tx, endpointId));
    if (!endpoint.enabled) throw webhooksProblems.disabled({ detail: endpoint.disabledWhy ?? endpoint.url });
    return endpoint;
  }

  return {
    async listEndpoints() {
      return { status: 200, body: { items: (await listEndpoints(database)).map(endpointView) } };
    },
    async createEndpoint({ body }, context) {
      checkUrl(body.url);
      const id = ids.next('whe');
      const { sealed } = newSecret(id);
      const wanted = { ...fieldsOf(body), id, secretSealed: sealed, madeBy: keyOf(context) };
      const madeHlc = logicalClock?.tick() ?? null;
      const made = await database.transaction((tx) => insertEndpoint(tx, { ...wanted, madeHlc }, endpointsMax));
      if (!made) throw webhooksProblems['too-many-endpoints']({ detail: `${endpointsMax} endpoints` });
      if (made.id !== id && made.url !== body.url) throw contractProblems['idempotency-key-reused']();
      await onEndpoint();
      return { status: 201, headers: { etag: etagOf(made) }, body: endpointView(made) };
    },
    async getEndpoint({ params }) {
      return endpointReply(existing(await readEndpoint(database, params.endpointId)));
    },
    async changeEndpoint({ params: { endpointId }, body }, context) {
      checkUrl(body.url);
      const saved = await database.transaction(async (tx) => {
        checkIfMatch(context, etagOf(existing(await lockEndpoint(tx, endpointId))));
        return saveEndpoint(tx, endpointId, fieldsOf(body));
      });
      wakeSender();
      return endpointReply(saved);
    },
    async deleteEndpoint({ params }) {
      await deleteEndpoint(database, params.endpointId);
      return { status: 204, body: undefined };
    },
    async showSecret({ params: { endpointId } }) {
      const { secretSealed } = existing(await readEndpoint(database, endpointId));
      const body = { secret: secretText(seal.open(endpointId, secretSealed)) };
      return { status: 200, headers: noStore, body };
    },
    async rotateSecret({ params: { endpointId } }, context) {
      const { secret, sealed } = newSecret(endpointId);
      await database.transaction(async (tx) => {
        checkIfMatch(context, etagOf(existing(await lockEndpoint(tx, endpointId))));
        await rotateSecret(tx, endpointId, sealed, secretOverlapMs);
      });
      return { status: 200, headers: noStore, body: { secret: secretText(secret) } };
    },
    async test({ params: { endpointId } }, context) {
      const cause = `test:${keyOf(context)}`;
      const row = await database.transaction(async (tx) => {
        await enabled(tx, endpointId);
        // By the key, so that a repeat is the same message.
        const messageId = `msg_test_${endpointId}_${context.idempotencyKey}`;
        const time = new Date(clock.now()).toISOString();
        const payload = payloadOf({ type: testType, time, data: { endpointId, says: 'It works.' } });
        const message = { id: messageId, type: testType, key: endpointId, payload };
        await insertDeliveries(tx, [message], [{ id: ids.next('whd'), endpointId, messageId, cause }]);
        return readByCause(tx, endpointId, messageId, cause);
      });
      wakeSender();
      return { status: 202, body: deliveryView(existing(row)) };
    },
    async replayFailed({ params: { endpointId }, body }) {
      const sinceMs = timeAt('/since', body.since);
      const found = await database.transaction(async (tx) => {
        await enabled(tx, endpointId);
        const failed = await readFailedSince(tx, endpointId, new Date(sinceMs), replayMax + 1);
        const chosen = failed.slice(0, replayMax);
        const replays = chosen.map(({ id, messageId }) => ({ id: ids.next('whd'), messageId, original: id }));
        return { replayed: await insertReplays(tx, endpointId, replays), more: failed.length > replayMax };
      });
      wakeSender();
      return { status: 202, body: found };
    },
    async listDeliveries({ query }) {
      const { limit = pageSizeDefault, cursor, endpointId, status } = query;
      const [before = null] = positionOf(cursor, 'text') ?? [];
      const rows = await listDeliveries(database, { endpointId, status }, before, limit + 1);
      return { status: 200, body: pageFrom(rows, limit, ({ id }) => [id], deliveryView) };
    },
    async getDelivery({ params: { deliveryId } }) {
      const row = existing(await readDelivery(database, deliveryId));
      const tries = await readAttempts(database, deliveryId);
      return { status: 200, body: { ...deliveryView(row), payload: row.payload, tries: tries.map(attemptView) } };
    },
    async replay({ params: { deliveryId } }, context) {
      const cause = `replay:${keyOf(context)}`;
      const row = await database.transaction(async (tx) => {
        const { endpointId, messageId, status } = existing(await readDelivery(tx, deliveryId));
        if (status === 'pending') throw webhooksProblems['still-pending']({ detail: deliveryId });
        await enabled(tx, endpointId);
        await insertReplay(tx, ids.next('whd'), cause, deliveryId);
        return readByCause(tx, endpointId, messageId, cause);
      });
      wakeSender();
      return { status: 202, body: deliveryView(existing(row)) };
    },
    ...deadLetterHandlers('webhooks', deadLetters),
    showLag: async () => ({ status: 200, body: { items: [...(await lag())] } }),
  };
}

const testType = 'webhook.test';
const noStore = { 'cache-control': 'no-store' };
const etagOf = ({ version }: Pick<EndpointRow, 'version'>): string => `"${version}"`;

function fieldsOf(body: { url: string; description?: string; types: readonly string[]; enabled?: boolean }) {
  const { url, description = null, types, enabled = true } = body;
  return { url, description, types, enabled };
}

function existing<T>(row: T | undefined): T {
  if (row === undefined) throw webhooksProblems['not-found']();
  return row;
}

function endpointReply(row: EndpointRow) {
  return { status: 200, headers: { etag: etagOf(row) }, body: endpointView(row) } as const;
}

function endpointView(row: EndpointRow): WebhookEndpoint {
  const { id, url, description, types, enabled, disabledWhy, failingSince, rotatedAt, version, createdAt } = row;
  return {
    ...{ id, url, types: [...types], enabled, version, createdAt: createdAt.toISOString() },
    ...(description === null ? {} : { description }),
    ...(disabledWhy === null ? {} : { disabledWhy }),
    ...(failingSince === null ? {} : { failingSince: failingSince.toISOString() }),
    ...(rotatedAt === null ? {} : { secretRotatedAt: rotatedAt.toISOString() }),
  };
}

function deliveryView(row: DeliveryRow): WebhookDelivery {
  const { id, endpointId, messageId, type, key, status, attempts, nextAttemptAt, replayOf, createdAt, endedAt } = row;
  return {
    ...{ id, endpointId, messageId, type, key, status, attempts, createdAt: createdAt.toISOString() },
    ...(status === 'pending' ? { nextAttemptAt: nextAttemptAt.toISOString() } : {}),
    ...(replayOf === null ? {} : { replayOf }),
    ...(endedAt === null ? {} : { endedAt: endedAt.toISOString() }),
  };
}

function attemptView({ number, at, durationMs, status, answer, error }: AttemptRow) {
  return {
    ...{ number, at: at.toISOString(), durationMs },
    ...(status === null ? {} : { status }),
    ...(answer === null ? {} : { answer }),
    ...(error === null ? {} : { error }),
  };
}
