import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createMemoryJournal } from './journal.ts';
import type { Command } from './ledger-types.ts';
import { createSandbox } from './sandbox.ts';
import { httpWebhook, signWebhook, verifySignature, type WebhookEndpoint } from './webhooks.ts';

const pay: Command = {
  operation: 'create',
  amountMinor: 100,
  currency: 'gbp',
  captureMethod: 'automatic',
  confirm: true,
  errorOnRequiresAction: true,
  paymentMethod: 'pm_card_visa',
  description: undefined,
  metadata: {},
};

function endpointAnswering(...statuses: number[]) {
  const attempts: { id: string; atMs: number }[] = [];
  const world = createVirtualWorld({ seed: 1, startMs: 0 });
  const endpoint: WebhookEndpoint = {
    secret: 'whsec_1',
    async deliver(body) {
      attempts.push({ id: JSON.parse(body).id, atMs: world.nowMs });
      return statuses.shift() ?? 200;
    },
  };
  return { world, endpoint, attempts };
}

test('a delivery that fails is repeated with doubling delays until it is taken', async () => {
  const { world, endpoint, attempts } = endpointAnswering(500, 404, 302);
  const sandbox = await createSandbox({ ...world, webhooks: [endpoint] });
  await sandbox.call(pay, undefined);
  await world.runUntilIdle();
  expect(attempts.map(({ atMs }) => atMs)).toEqual([0, 1_000, 3_000, 7_000]);
  expect(new Set(attempts.map(({ id }) => id)).size).toBe(1);
  expect(sandbox.webhooks.pending).toBe(0);
});

test('an endpoint that never answers is given up after ten attempts, and it is said', async () => {
  const { world, endpoint, attempts } = endpointAnswering(...Array.from({ length: 50 }, () => 500));
  const sandbox = await createSandbox({ ...world, webhooks: [endpoint] });
  await sandbox.call(pay, undefined);
  await world.runUntilIdle();
  expect(attempts.length).toBe(10);
  expect(world.lines.at(-1)?.message).toBe('sandbox webhook given up');
});

test('a restart delivers the events of the last twenty minutes again, under their old ids', async () => {
  const { world, endpoint, attempts } = endpointAnswering();
  const journal = createMemoryJournal({ keep: true });
  const first = await createSandbox({ ...world, journal, webhooks: [endpoint] });
  await first.call(pay, undefined);
  await world.advance(15 * 60_000);
  await first.call(pay, undefined);
  await world.advance(10 * 60_000);
  await createSandbox({ ...world, journal, webhooks: [endpoint] });
  await world.runUntilIdle();
  expect(attempts.length).toBe(3);
  expect(attempts[2]?.id).toBe(attempts[1]?.id);
});

test('a delivery over HTTP that hangs is ended by its time-out', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const endpoint = httpWebhook('whsec_1', world.timers, (_body, _headers, signal) => {
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  const delivery = expect(endpoint.deliver('{}', 't=1,v1=00')).rejects.toThrow('no answer within 10000 ms');
  await world.advance(10_000);
  await delivery;
});

test('a signature holds for its body, secret and time only', () => {
  const header = signWebhook('{"a":1}', 'whsec_1', 1_000_000);
  const verify = (body: string, secret: string, nowMs: number) => verifySignature(body, header, secret, nowMs, 300);
  expect(verify('{"a":1}', 'whsec_1', 1_299_000)).toBe(true);
  expect(verify('{"a":1}', 'whsec_1', 1_301_000)).toBe(false);
  expect(verify('{"a":2}', 'whsec_1', 1_000_000)).toBe(false);
  expect(verify('{"a":1}', 'whsec_2', 1_000_000)).toBe(false);
});
