import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createSandboxHttp } from '../sandbox/http.ts';
import { createSandbox } from '../sandbox/sandbox.ts';
import { until } from './conformance.ts';
import { declined, declineTable } from './declines.ts';
import { createSandboxProvider } from './sandbox.ts';
import { createStripeProvider, type StripeProviderOptions } from './stripe.ts';

const world = createVirtualWorld({ seed: 1 });
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function open(url: string, options: Partial<StripeProviderOptions> = {}) {
  const provider = createStripeProvider({
    ...world,
    secretKey: 'sk_test_1',
    webhookSecret: 'whsec_1',
    url,
    ...options,
  });
  closers.push(() => provider.close());
  return provider;
}

/** A server of which only the bad behaviour matters. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests: () => requests };
}

const capture = { key: 'k', providerRef: 'pi_1' };

test('a provider that cannot be reached did nothing, for certain', async () => {
  const { url } = await serve(() => {});
  await closers.pop()?.();
  await expect(open(url).capture(capture)).rejects.toMatchObject({
    code: 'unreachable',
    outcome: 'not-done',
    category: 'unavailable',
    retry: 'same-key',
  });
});

test('a broken connection is never repeated behind our back', async () => {
  const { url, requests } = await serve((request) => request.socket.destroy());
  await expect(open(url).capture(capture)).rejects.toMatchObject({ code: 'connection_lost', outcome: 'unknown' });
  expect(requests()).toBe(1);
});

test('a reply that trickles is ended by the time-out of the whole call', async () => {
  const { url, requests } = await serve((_, response) => response.writeHead(200).write('{'));
  const call = expect(open(url).capture(capture)).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' });
  await until(() => requests() === 1);
  await world.advance(5_000);
  await call;
});

test('a reply cut in the middle, and one that is not JSON, leave the outcome unknown', async () => {
  const cut = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"id":');
    setImmediate(() => response.destroy());
  });
  await expect(open(cut.url).capture(capture)).rejects.toMatchObject({ outcome: 'unknown' });
  const page = await serve((_, response) => response.end('<h1>Bad gateway</h1>'));
  await expect(open(page.url).capture(capture)).rejects.toMatchObject({ outcome: 'unknown' });
});

test('the rate limit and a wrong key did nothing', async () => {
  const answering = (status: number) =>
    serve((_, response) => response.writeHead(status).end('{"error":{"type":"invalid_request_error","message":"no"}}'));
  await expect(open((await answering(429)).url).capture(capture)).rejects.toMatchObject({
    code: 'busy',
    outcome: 'not-done',
    retry: { afterMs: 500 },
  });
  await expect(open((await answering(401)).url).capture(capture)).rejects.toMatchObject({
    code: 'credentials',
    outcome: 'refused',
    category: 'auth',
  });
});

test('find says that it does not know rather than that there is nothing, when it could not look at everything', async () => {
  const sandbox = await createSandbox(world);
  const http = createSandboxHttp({ sandbox, secretKey: 'sk_test_1' });
  const url = await http.listen({ host: '127.0.0.1', port: 0 });
  closers.push(
    () => sandbox.close(),
    () => http.close(),
  );
  const provider = open(url, { findPagesMax: 1 });
  for (let i = 0; i < 101; i++) {
    const order = { key: `k${i}`, orderId: `o${i}`, amountMinor: 1, currency: 'GBP', paymentMethod: 'pm_card_visa' };
    await provider.authorize(order);
  }
  sandbox.faults.set([{ do: 'search-lag', ms: 60_000 }]);
  expect(await provider.find({ orderId: 'o100' })).toMatchObject({ orderId: 'o100' });
  await expect(provider.find({ orderId: 'o0' })).rejects.toMatchObject({ outcome: 'unknown' });
  expect(await open(url, { findPagesMax: 2 }).find({ orderId: 'o0' })).toMatchObject({ orderId: 'o0' });
});

test('both adapters ask for the same: what one began, the other finds and repeats by its key', async () => {
  const sandbox = await createSandbox(world);
  const http = createSandboxHttp({ sandbox, secretKey: 'sk_test_1' });
  closers.push(
    () => sandbox.close(),
    () => http.close(),
  );
  const overHttp = open(await http.listen({ host: '127.0.0.1', port: 0 }));
  const inProcess = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_1' });
  const order = { key: 'k1', orderId: 'o1', amountMinor: 100, currency: 'GBP', paymentMethod: 'pm_card_visa' };
  const made = await inProcess.authorize({ ...order, metadata: { shop: 'london' } });
  expect(await overHttp.authorize({ ...order, metadata: { shop: 'london' } })).toEqual(made);
  const taken = { key: 'k2', providerRef: made.providerRef as string };
  expect(await inProcess.capture(taken)).toEqual(await overHttp.capture(taken));
  const part = { ...taken, key: 'k3', amountMinor: 30 };
  expect(await overHttp.refund(part)).toEqual(await inProcess.refund(part));
  expect(await overHttp.find({ orderId: 'o1' })).toEqual(await inProcess.find({ orderId: 'o1' }));
  expect(sandbox.ledger.lastSeq).toBe(3);
});

test('an order id with quotes finds that order and no other', async () => {
  const sandbox = await createSandbox(world);
  const http = createSandboxHttp({ sandbox, secretKey: 'sk_test_1' });
  closers.push(
    () => sandbox.close(),
    () => http.close(),
  );
  const provider = open(await http.listen({ host: '127.0.0.1', port: 0 }));
  const orderId = `o'1" \\ OR status:'succeeded`;
  await provider.authorize({ key: 'k1', orderId, amountMinor: 1, currency: 'GBP', paymentMethod: 'pm_card_visa' });
  await provider.authorize({
    key: 'k2',
    orderId: 'o2',
    amountMinor: 1,
    currency: 'GBP',
    paymentMethod: 'pm_card_visa',
  });
  expect(await provider.find({ orderId })).toMatchObject({ orderId, key: 'k1' });
});

test('every decline has a sentence for shoppers, and none that tells a thief', () => {
  for (const [code, { message }] of Object.entries(declineTable)) {
    expect(message, code).toMatch(/^[A-Z].*\.$/);
    expect(message, code).not.toMatch(/stolen|lost|fraud|_|pick ?up/i);
  }
  expect(declined(undefined, 'card_declined', 'a_code_of_the_future').message).toBe(
    'This card was declined. Please use another card.',
  );
});
