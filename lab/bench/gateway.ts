import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { systemClock } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import type { Kind } from './gateway/server-process.ts';
import type { BenchOptions } from './options.ts';
import { barOf, median, medianBy, openReport, pairedRatio, type Report, type Run, rounded } from './report.ts';

const clientsDefault = 32;
const warmUpMs = 1_000;
const order = JSON.stringify({
  email: 'ada@example.com',
  lines: Array.from({ length: 10 }, (_, i) => ({ sku: `MUG-BLUE-${i}`, quantity: 1 + (i % 3) })),
});

interface Contestant {
  readonly name: Kind | 'nginx';
  readonly origin: string;
  /** Undefined where its processor time can't be asked for. */
  cpuMs(): Promise<number | undefined>;
  stop(): Promise<void>;
}

/**
 * What the gateway costs: beside the very same service without it, and as a proxy beside the least that a proxy in Node can be.
 * nginx, where the machine has it, shows what is left on the table.
 */
export async function benchGateway(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const finish = openReport('gateway');
  const clients = options.clients?.[0] ?? clientsDefault;
  const upstream = await startProcess('upstream');
  const contestants = [
    await startProcess('direct'),
    await startProcess('gateway'),
    await startProcess('bare-proxy', upstream.origin),
    await startProcess('gateway-proxy', upstream.origin),
    await startProcess('balancer', upstream.origin),
    await startProcess('edge', upstream.origin),
    ...(await startNginx(upstream.origin)),
  ];
  const rounds: Run[][] = contestants.map(() => []);
  try {
    for (let round = 0; round < options.rounds; round++) {
      // Another one begins in each round.
      for (let turn = 0; turn < contestants.length; turn++) {
        const i = (round + turn) % contestants.length;
        const contestant = contestants[i] as Contestant;
        await load(contestant, clients, warmUpMs);
        const run = await load(contestant, clients, options.measureMs);
        rounds[i]?.push(run);
        onProgress(`${contestant.name}: ${run.perSec}/s, ${run.cpuMsEach ?? '?'} ms of processor each`);
      }
    }
  } finally {
    for (const one of [...contestants, upstream]) await one.stop();
  }
  const of = (name: Contestant['name']): readonly Run[] =>
    rounds[contestants.findIndex((one) => one.name === name)] ?? [];
  const addedUs = of('gateway').map((run, i) => ((run.cpuMsEach ?? 0) - (of('direct')[i]?.cpuMsEach ?? 0)) * 1_000);
  const proxied = pairedRatio(of('gateway-proxy'), of('bare-proxy'));
  return finish({
    bars: [
      barOf({
        name: 'processor time that the gateway adds',
        value: rounded(median(addedUs), 1),
        limit: 100,
        unit: 'µs',
        rule: 'below',
      }),
      barOf({ name: 'gateway as a proxy, beside a bare one', value: proxied, limit: 0.8, unit: '×', rule: 'at-least' }),
    ],
    ratios: {
      'gateway-proxy/bare-proxy': proxied,
      'balancer/bare-proxy': pairedRatio(of('balancer'), of('bare-proxy')),
      'edge/bare-proxy': pairedRatio(of('edge'), of('bare-proxy')),
      ...(of('nginx').length > 0 ? { 'gateway-proxy/nginx': pairedRatio(of('gateway-proxy'), of('nginx')) } : {}),
    },
    runs: rounds.map((runs) => medianBy(runs, ({ perSec }) => perSec)),
    details: { everyRound: rounds, nginx: of('nginx').length > 0 ? 'measured' : 'not on this machine' },
  });
}

/** A closed loop of clients. An answer other than 200 ends the benchmark. */
async function load(contestant: Contestant, clients: number, forMs: number): Promise<Run> {
  const pool = new Pool(contestant.origin, { connections: clients, pipelining: 1 });
  const tookMs: number[] = [];
  const cpuBefore = await contestant.cpuMs();
  const startMs = systemClock.monotonicMs();
  const endMs = startMs + forMs;
  const client = async () => {
    for (let nowMs = systemClock.monotonicMs(); nowMs < endMs; ) {
      const headers = { 'content-type': 'application/json' };
      const { statusCode, body } = await pool.request({ path: '/echo', method: 'POST', headers, body: order });
      const back = await body.text();
      if (statusCode !== 200) throw new Error(`${contestant.name} answered ${statusCode}: ${back.slice(0, 200)}`);
      const thenMs = systemClock.monotonicMs();
      tookMs.push(thenMs - nowMs);
      nowMs = thenMs;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (systemClock.monotonicMs() - startMs) / 1_000;
  const cpuAfter = await contestant.cpuMs();
  await pool.destroy();
  const sorted = tookMs.sort((a, b) => a - b);
  const at = (share: number) => rounded(sorted[Math.floor((sorted.length - 1) * share)] ?? 0, 3);
  const cpu =
    cpuBefore === undefined || cpuAfter === undefined
      ? {}
      : { cpuMsEach: rounded((cpuAfter - cpuBefore) / sorted.length, 4) };
  return {
    name: contestant.name,
    clients,
    perSec: Math.round(sorted.length / seconds),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    ...cpu,
  };
}

async function startProcess(kind: Kind, upstream = ''): Promise<Contestant> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'gateway/server-process.ts'), [kind, upstream]);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    name: kind,
    origin: `http://127.0.0.1:${port}`,
    async cpuMs() {
      child.send('cpu');
      const [{ cpu }] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }];
      return (cpu.user + cpu.system) / 1_000;
    },
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** None where the machine has no nginx. */
async function startNginx(upstream: string): Promise<Contestant[]> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
  if (spawnSync('nginx', ['-v'], { env }).error) return [];
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-nginx-'));
  const port = await findFreePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit; events {} http { access_log off; ${paths.join(' ')}
     keepalive_requests 1000000; upstream up { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000; }
     server { listen 127.0.0.1:${port}; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
  );
  const child = spawn('nginx', ['-c', file], { env, stdio: 'ignore' });
  const origin = `http://127.0.0.1:${port}`;
  await answering(origin);
  return [
    {
      name: 'nginx',
      origin,
      cpuMs: async () => undefined,
      async stop() {
        child.kill('SIGTERM');
        await once(child, 'exit');
        rmSync(folder, { recursive: true, force: true });
      },
    },
  ];
}

async function answering(origin: string): Promise<void> {
  const pool = new Pool(origin);
  for (let attempt = 0; attempt < 100; attempt++) {
    const isThere = await pool.request({ path: '/', method: 'GET' }).then(
      ({ body }) => body.dump().then(() => true),
      () => false,
    );
    if (isThere) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await pool.destroy();
}
