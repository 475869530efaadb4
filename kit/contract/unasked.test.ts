import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import Type from 'typebox';
import { expect, test } from 'vitest';
import { systemClock } from '#kit/runtime';
import { createHttpServer, defineService, implement, routesOf } from './index.ts';

const greeting = defineService({
  service: 'greeting',
  operations: {
    hello: {
      method: 'GET',
      path: '/hello',
      summary: 'Says hello',
      access: ['anonymous'],
      responses: { 200: Type.Object({}) },
    },
  },
});

test('a connection that is kept in reserve does not hold up the end, and one that asks now is answered', async () => {
  const server = implement(
    greeting,
    { hello: async () => ({ status: 200 as const, body: {} }) },
    { clock: systemClock },
  );
  const app = createHttpServer({ routes: routesOf(server), admit: (request) => request });
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  const opened = async (): Promise<Socket> => {
    const accepted = once(app.server, 'connection');
    const socket = connect(Number(port), '127.0.0.1');
    await accepted;
    return socket;
  };
  const reserve = await opened();
  const asking = await opened();
  const closed = app.close();
  asking.write('GET /hello HTTP/1.1\r\nHost: x\r\n\r\n');
  const answer = await text(asking);
  expect(answer).toContain('200 OK');
  expect(answer.toLowerCase()).toContain('connection: close');
  // Before, until it was closed at the other end.
  await closed;
  reserve.destroy();
});
