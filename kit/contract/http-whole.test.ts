import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestWhole } from './http-whole.ts';

let answer: (response: ServerResponse) => void;
const server = createServer((_request, response) => answer(response));
let pool: Pool;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  pool = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 1 });
});
afterAll(async () => {
  await pool.destroy();
  server.closeAllConnections();
  server.close();
});

const options = { path: '/', method: 'GET' } as const;
const patient = new AbortController().signal;

test('a reply comes whole, in however many pieces, with headers that came twice joined', async () => {
  answer = (response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.setHeader('warning', ['one', 'two']).writeHead(201);
    const bytes = Buffer.from('Zürich');
    for (const piece of [bytes.subarray(0, 2), bytes.subarray(2, 4), bytes.subarray(4)]) response.write(piece);
    response.end();
  };
  const { status, headers, text } = await requestWhole(pool, options, patient);
  expect({ status, warning: headers['warning'], text }).toEqual({ status: 201, warning: 'one, two', text: 'Zürich' });
});

test('who gives up is answered at once, also while waiting for a connection, and the connection is of use again', async () => {
  const waiting: ServerResponse[] = [];
  answer = (response) => waiting.push(response);
  const [first, second] = [new AbortController(), new AbortController()];
  const sent = requestWhole(pool, options, first.signal);
  await expect.poll(() => waiting.length).toBe(1);
  const queued = requestWhole(pool, options, second.signal);
  const why = new Error('too late');
  second.abort(why);
  await expect(queued).rejects.toBe(why);
  first.abort(why);
  await expect(sent).rejects.toBe(why);
  await expect(requestWhole(pool, options, AbortSignal.abort(why))).rejects.toBe(why);

  answer = (response) => response.end('well');
  expect((await requestWhole(pool, options, patient)).text).toBe('well');
  expect(waiting).toHaveLength(1);
});

test('a connection that breaks off is an error', async () => {
  answer = (response) => response.socket?.destroy();
  await expect(requestWhole(pool, options, patient)).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' });
  answer = (response) => response.writeHead(200, { 'content-length': '100' }).end('half', () => response.destroy());
  await expect(requestWhole(pool, options, patient)).rejects.toThrow();
});
