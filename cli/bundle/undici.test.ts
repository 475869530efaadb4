import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import * as whole from 'undici';
import { expect, onTestFinished, test } from 'vitest';

test('what is bundled of undici does as undici does', async () => {
  const server = createServer(async (request, response) => {
    response.end(`${request.method} ${request.url} ${await text(request)}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // It has no types of its own: in the bundle it stands in for undici.
  const parts = (await import('./undici.mjs' as string)) as typeof whole;

  for (const { request, Agent, Pool } of [parts, whole]) {
    const ask = async (...asked: Parameters<typeof request>) => (await request(...asked)).body.text();
    const dispatcher = new Agent({ connections: 1 });
    expect(await ask(`${origin}/a?b=c#d`)).toBe('GET /a?b=c ');
    expect(await ask(new URL(`${origin}/a`), { body: 'x' })).toBe('PUT /a x');
    expect(await ask(origin, { method: 'POST', body: 'x', dispatcher })).toBe('POST / x');
    const pool = new Pool(origin);
    const reply = await pool.request({ path: '/p', method: 'GET' });
    expect(await reply.body.text()).toBe('GET /p ');
    await Promise.all([dispatcher.close(), pool.close()]);
  }
  expect(parts.buildConnector).toBeTypeOf('function');
});
