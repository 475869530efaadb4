import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Type from 'typebox';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineService } from '#kit/contract';
import { findFreePort } from '#kit/store/embedded';
import { type EdgePlan, planOf, renderers } from './index.ts';

const any = { 200: Type.Unknown() };
const contract = defineService({
  service: 'things',
  operations: {
    get: { method: 'GET', path: '/things/{id}', summary: '', access: ['anonymous'], responses: any },
    import: {
      method: 'POST',
      path: '/things/import',
      summary: '',
      access: ['staff'],
      stream: 'request',
      deadlineMs: 900_000,
      bodySizeBytesMax: 1024 * 1024 * 1024,
      responses: any,
    },
    inside: { method: 'POST', path: '/inside', summary: '', access: ['service'], deadlineMs: 900_000, responses: any },
  },
});

const gateways: { server: Server; isWell: boolean; seen: string[] }[] = [];
let plan: EdgePlan;
beforeAll(async () => {
  for (const name of ['one', 'two']) {
    const gateway = { server: createServer(), isWell: true, seen: [] as string[] };
    gateway.server.on('request', (incoming, response) => {
      if (incoming.url === '/health') {
        response.writeHead(gateway.isWell ? 200 : 503).end();
        return;
      }
      gateway.seen.push(`${incoming.url} ${incoming.headers['x-forwarded-for']}`);
      incoming.resume();
      incoming.once('end', () => response.writeHead(gateway.isWell ? 200 : 503).end(name));
    });
    gateway.server.listen(0, '127.0.0.1');
    await once(gateway.server, 'listening');
    gateways.push(gateway);
  }
  plan = planOf({
    contracts: [contract],
    listen: { host: '127.0.0.1', port: await findFreePort() },
    gateways: gateways.map(({ server }) => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })),
  });
});
afterAll(() => {
  for (const { server } of gateways) {
    server.closeAllConnections();
    server.close();
  }
});

test('the plan knows from the contracts what is larger, slower or streams; services’ own operations are not in it', () => {
  expect(plan.exceptions).toEqual([
    {
      method: 'POST',
      pattern: '^(/v[0-9]+)?/things/import$',
      bodySizeBytesMax: 1024 ** 3,
      timeoutSec: 900,
      isStream: true,
    },
  ]);
});

test('envoy: a bootstrap with every gateway, health checks every 10 s, and TLS where there are keys', () => {
  const read = (text: string) => JSON.parse(text.replace(/^#.*\n/, '')).static_resources;
  const [cluster] = read(renderers.envoy(plan)).clusters;
  expect(cluster.load_assignment.endpoints[0].lb_endpoints).toHaveLength(2);
  expect(cluster.health_checks[0]).toMatchObject({ interval: '10s', unhealthy_threshold: 3, healthy_threshold: 1 });
  const [listener] = read(renderers.envoy({ ...plan, tls: { certFile: '/c.pem', keyFile: '/k.pem' } })).listeners;
  expect(JSON.stringify(listener.filter_chains[0].transport_socket)).toContain('TLSv1_2');
});

interface Program {
  readonly name: 'nginx' | 'haproxy';
  readonly check: (file: string) => string[];
  readonly run: (file: string) => string[];
}
const programs: readonly Program[] = [
  { name: 'nginx', check: (file) => ['-t', '-c', file], run: (file) => ['-c', file, '-g', 'daemon off;'] },
  { name: 'haproxy', check: (file) => ['-c', '-f', file], run: (file) => ['-f', file] },
];
const pathWithSbin = `${process.env['PATH']}:/usr/sbin:/sbin`;
const env = { ...process.env, PATH: pathWithSbin };
const isThere = (name: string) => !spawnSync(name, ['-v'], { env }).error;

describe.each(programs)('$name', ({ name, check, run }) => {
  function write(one: EdgePlan): string {
    const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
    // Its own folder instead of the system's, so that it runs as anybody.
    const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${folder}/${kind};`,
    );
    const text = renderers[name](one)
      .replace('error_log stderr warn;', `error_log stderr warn;\npid ${folder}/pid;\nuser root;`)
      .replace('access_log off;', `access_log off;\n${name === 'nginx' ? own.join('\n') : ''}`);
    const file = join(folder, `${name}.conf`);
    writeFileSync(file, text);
    return file;
  }
  const asked = async (path: string, options: { method?: string; body?: string } = {}) => {
    const url = `http://127.0.0.1:${plan.listen.port}${path}`;
    const { statusCode, body } = await request(url, {
      method: (options.method ?? 'GET') as 'GET',
      body: options.body ?? null,
    });
    return { status: statusCode, body: await body.text() };
  };

  test.skipIf(!isThere(name))(
    'the real program takes it, serves, and passes over an instance that is not well (skipped where it is not installed)',
    async () => {
      const file = write(plan);
      const checked = spawnSync(name, check(file), { env, encoding: 'utf8' });
      expect(`${checked.stdout}${checked.stderr} ${checked.status}`).toMatch(/ 0$/);
      const child = spawn(name, run(file), { env, stdio: 'ignore' });
      try {
        await expect.poll(async () => (await asked('/').catch(() => ({ status: 0 }))).status).toBe(200);
        const bodies = new Set<string>();
        for (let i = 0; i < 40; i++) bodies.add((await asked('/things/1')).body);
        expect(bodies).toEqual(new Set(['one', 'two']));
        expect(gateways[0]?.seen.at(-1)).toBe('/things/1 127.0.0.1');
        const large = 'x'.repeat(400 * 1024);
        expect((await asked('/things/1', { method: 'POST', body: large })).status).toBe(413);
        expect((await asked('/v1/things/import', { method: 'POST', body: large })).status).toBe(200);
        (gateways[0] as { isWell: boolean }).isWell = false;
        for (let i = 0; i < 20; i++) expect(await asked('/things/2')).toEqual({ status: 200, body: 'two' });
      } finally {
        (gateways[0] as { isWell: boolean }).isWell = true;
        if (child.exitCode === null) {
          child.kill('SIGTERM');
          await once(child, 'exit');
        }
      }
    },
  );
});
