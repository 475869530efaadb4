import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import Type from 'typebox';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createVirtualWorld, type Transport } from '#kit/runtime';
import {
  createHttpServer,
  createHttpTransport,
  createLocalTransport,
  defineService,
  implement,
  routesOf,
} from './index.ts';

const notes = defineService({
  service: 'notes',
  operations: {
    keep: {
      method: 'POST',
      path: '/notes',
      summary: 'Keep',
      access: ['anonymous'],
      body: Type.Object({ text: Type.String() }, { additionalProperties: false }),
      responses: { 200: Type.Object({ text: Type.String() }) },
    },
  },
});
const world = createVirtualWorld({ seed: 1 });
const service = implement(notes, { keep: async ({ body }) => ({ status: 200 as const, body }) }, world);
const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers.toReversed()) await close();
});

/** A door that passes on, as the gateway does. */
async function openDoor(transport: Transport): Promise<string> {
  const handle: typeof service.handle = async (one, signal) => {
    const { status, headers, body } = await transport.send({ ...one, passesOn: true }, signal);
    return { status, headers: { 'content-type': headers['content-type'] ?? 'application/json' }, body };
  };
  const routes = routesOf({ ...service, handle });
  const app = createHttpServer({ routes, admit: (one) => one, leavesBodies: true });
  closers.push(() => app.close());
  return app.listen({ host: '127.0.0.1', port: 0 });
}

async function ask(origin: string, body: string, type = 'application/json') {
  const reply = await request(`${origin}/notes`, { method: 'POST', headers: { 'content-type': type }, body });
  return { status: reply.statusCode, text: await reply.body.text() };
}

/** The service, elsewhere. */
async function overHttp(): Promise<Transport> {
  const app = createHttpServer({ routes: routesOf(service), admit: (one) => one });
  closers.push(() => app.close());
  return transportTo(await app.listen({ host: '127.0.0.1', port: 0 }));
}

function transportTo(origin: string): Transport {
  const http = createHttpTransport({ contracts: [notes], origin });
  closers.push(() => http.close());
  return http;
}

let local: string;
let remote: string;
beforeAll(async () => {
  const inProcess = createLocalTransport(world.timers);
  inProcess.attach(service);
  local = await openDoor(inProcess);
  remote = await openDoor(await overHttp());
});

test('what is passed on is the very text that came, in both directions', async () => {
  const asked: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    asked.push(await text(incoming));
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{ "text" : "\\u00e9", "extra": 1.0 }');
  }).listen(0, '127.0.0.1');
  closers.push(async () => server.close());
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sent = '{"text":  "Zürich \\u00e9",\n "much":12345678901234567890}';
  const reply = await ask(await openDoor(transportTo(origin)), sent);
  expect(asked).toEqual([sent]);
  expect(reply).toEqual({ status: 200, text: '{ "text" : "\\u00e9", "extra": 1.0 }' });
});

test('a body that is no good is refused in the same words, wherever it is read first', async () => {
  const deep = '['.repeat(40);
  for (const body of ['{"text":', '', `{"text":${deep}`, '{"text":"\\u0000"}', '{"text":1}', '{"text":"x","y":1}']) {
    const [here, there] = [await ask(local, body), await ask(remote, body)];
    expect(here.status, body).toBe(400);
    expect(here.text, body).toContain('"code":"contract/');
    expect({ ...here, text: here.text.replace(/,"correlationId":"\w+"/, '') }, body).toEqual({
      ...there,
      text: there.text.replace(/,"correlationId":"\w+"/, ''),
    });
  }
  expect((await ask(local, '{}', 'application/json; charset=latin1')).status).toBe(415);
});

test('a reply that says what went wrong is read on its way, for whoever might try again', async () => {
  const seen: unknown[] = [];
  const http = await overHttp();
  const send = async (body: unknown) => {
    const common = { service: 'notes', operation: 'keep', params: {}, query: {}, headers: {}, passesOn: true };
    const reply = await http.send({ ...common, body }, new AbortController().signal);
    seen.push(reply.body);
  };
  await send({ text: 'x' });
  await send({ text: 1 });
  expect(seen).toEqual(['{"text":"x"}', expect.objectContaining({ code: 'contract/invalid-input', status: 400 })]);
});
