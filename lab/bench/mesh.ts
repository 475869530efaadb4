import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { createClient } from '#kit/contract';
import type { Instance } from '#kit/mesh';
import { findFreePort } from '#kit/store/embedded';
import { createTelemetry } from '#kit/telemetry';
import { observeTransport } from '../../cli/observe.ts';
import { echo, middle, order } from './mesh/contract.ts';
import { contextOf, type NodeWork, openNode } from './mesh/node.ts';
import type { ServiceWork } from './mesh/service-process.ts';
import type { BenchOptions } from './options.ts';
import { barOf, median, medianBy, openReport, pairedRatio, type Report, type Run, rounded } from './report.ts';
import { benchWorld } from './server.ts';

const clientsDefault = [1, 32];
const { clock, timers } = benchWorld;
/** How slow C becomes: longer than anybody waits. */
const slowMs = 20_000;
const warmUpCalls = 5_000;
const nearClients = 8;
const farClients = 64;
/** Time for what is slow to fill whatever it can fill, and for breakers to see it. */
const settleMs = 4_000;

/**
 * What a call over the mesh costs (identity, mutual TLS, contract checked at both ends, trace, policies) beside a bare
 * undici call over mutual TLS to bare Node; and what a slow service at the end of a chain does to those who don't need
 * it, with policies and without.
 */
export async function benchMesh(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const finish = openReport('mesh');
  const calls = await benchCalls(options, onProgress);
  const on = await benchChain(true, options, onProgress);
  const off = await benchChain(false, options, onProgress);
  const counts = options.clients ?? clientsDefault;
  const ratios: Record<string, number> = {};
  for (const count of counts) {
    const [mesh, bare] = [roundsOf(calls, 'mesh', count), roundsOf(calls, 'bare', count)];
    ratios[`mesh/bare@${count}`] = pairedRatio(mesh, bare);
    // Hardly changes when others use the machine too.
    ratios[`bare/mesh@${count}, processor time each`] = rounded(
      median(mesh.map(({ cpuMsEach = 0 }, i) => (bare[i]?.cpuMsEach ?? 0) / cpuMsEach)),
      3,
    );
  }
  ratios['near p99, C slow/healthy, policies'] = rounded(on.slow.p99Ms / on.healthy.p99Ms, 2);
  ratios['near p99, C slow/healthy, none'] = rounded(off.slow.p99Ms / off.healthy.p99Ms, 2);
  const most = Math.max(...counts);
  return finish({
    bars: [
      barOf({
        ...{ name: `mesh/bare@${most}`, value: ratios[`mesh/bare@${most}`] as number, limit: 0.6, unit: '×' },
        rule: 'at-least',
      }),
      barOf({
        name: 'near p99 while C is slow',
        ...{
          value: ratios['near p99, C slow/healthy, policies'] as number,
          limit: 1.5,
          unit: '× healthy',
          rule: 'below',
        },
      }),
    ],
    ratios,
    runs: [
      ...[...new Set(calls.map(({ name, clients }) => `${name}@${clients}`))].map((key) =>
        medianBy(
          calls.filter(({ name, clients }) => `${name}@${clients}` === key),
          ({ perSec }) => perSec,
        ),
      ),
      ...[on, off].flatMap(({ healthy, slow }) => [healthy, slow]),
    ],
    details: { rounds: options.rounds, everyRound: calls, slowMs, nearClients, farClients },
  });
}

async function callTimes(count: number, call: () => Promise<void>): Promise<void> {
  let left = count;
  const client = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: 32 }, client));
}

const roundsOf = (runs: readonly Run[], name: string, clients: number) =>
  runs.filter((run) => run.name === name && run.clients === clients);

async function benchCalls(options: BenchOptions, onProgress: (line: string) => void): Promise<Run[]> {
  const rig = await startRig({ echo: ['echo'] }, true, true);
  const telemetry = createTelemetry({ ...benchWorld, service: 'bench', instance: 'caller' });
  const client = createClient(echo, {
    transport: observeTransport(telemetry, 'caller', rig.node.transport, benchWorld),
    clock,
  });
  const { key, certificate: cert, trust: ca } = rig.node.identity.current;
  const pool = new Pool(`https://127.0.0.1:${rig.barePort}`, {
    connections: 256,
    pipelining: 1,
    connect: { key, cert, ca, checkServerIdentity: () => undefined },
  });
  const contestants = {
    mesh: async () => void (await client.order({ body: order }, contextOf(rig.work, 10_000))),
    async bare() {
      const body = JSON.stringify(order);
      const headers = { 'content-type': 'application/json' };
      const reply = await pool.request({ path: '/echo', method: 'POST', headers, body });
      JSON.parse(await reply.body.text());
    },
  };
  const runs: Run[] = [];
  try {
    // By calls and not by time, so that a slow machine has compiled the same code as a quick one.
    for (const call of Object.values(contestants)) await callTimes(warmUpCalls, call);
    for (let round = 1; round <= options.rounds; round++) {
      for (const clients of options.clients ?? clientsDefault) {
        for (const [name, call] of Object.entries(contestants)) {
          const usedCpuMs = await rig.watchCpu('echo');
          const measured = await load(call, clients, options.measureMs).ended;
          const run = { name, ...measured, cpuMsEach: rounded((await usedCpuMs()) / measured.count, 4) };
          runs.push(run);
          onProgress(
            `round ${round}/${options.rounds}  ${name.padEnd(6)}@${clients}  ${run.perSec}/s  p99 ${run.p99Ms} ms  cpu ${run.cpuMsEach} ms`,
          );
        }
      }
    }
  } finally {
    await pool.close();
    await rig.stop();
  }
  return runs;
}

/** A calls B, B calls C. `near` doesn't need C; how is it while C is slow and others wait for it? */
async function benchChain(hasPolicies: boolean, { measureMs }: BenchOptions, onProgress: (line: string) => void) {
  const rig = await startRig({ middle: ['middle'], end: ['end'] }, hasPolicies, false);
  const client = createClient(middle, { transport: rig.node.transport, clock });
  // With nobody to say otherwise, a caller waits for as long as it takes.
  const deadlineMs = hasPolicies ? 2_000 : 10 * slowMs;
  const near = async () => void (await client.near({ timeoutMs: deadlineMs }, contextOf(rig.work, deadlineMs)));
  const far = async () => void (await client.far({ timeoutMs: deadlineMs }, contextOf(rig.work, deadlineMs)));
  const suffix = hasPolicies ? 'policies' : 'none';
  try {
    await load(near, nearClients, 1_000).ended;
    // Both paths under load, as they will be: what changes is C alone.
    const others = load(far, farClients, Number.POSITIVE_INFINITY, 20);
    await load(near, nearClients, 2_000, 5).ended;
    const healthy = { name: `near, C healthy, ${suffix}`, ...(await load(near, nearClients, measureMs, 5).ended) };
    rig.tell('end', { workMs: slowMs });
    await timers.sleep(settleMs);
    const slow = { name: `near, C slow, ${suffix}`, ...(await load(near, nearClients, measureMs, 5).ended) };
    others.stop();
    for (const { name, perSec, p99Ms, count, failures } of [healthy, slow]) {
      onProgress(`${name}: ${perSec}/s, p99 ${p99Ms} ms, ${failures} of ${count} failed`);
    }
    return { healthy, slow };
  } finally {
    await rig.stop();
  }
}

type Measured = Omit<Run, 'name'> & { readonly count: number; readonly failures: number };

/**
 * So many clients that call again and again, `pauseMs` apart. A call that fails counts as one that never ended: whoever is
 * refused at once is not served quickly.
 */
function load(call: () => Promise<void>, clients: number, forMs: number, pauseMs = 0) {
  const times: number[] = [];
  const startMs = performance.now();
  const [yes, no] = [() => true, () => false];
  let failures = 0;
  let stopped = false;
  const isOver = () => stopped || performance.now() - startMs >= forMs;
  const client = async () => {
    while (!isOver()) {
      const sentMs = performance.now();
      // A call that never ends must be seen too: as one that took all the time there was.
      const left = Math.min(slowMs, startMs + forMs - sentMs);
      const patience = new AbortController();
      const hasFailed = await Promise.race([
        call().then(no, yes),
        timers.sleep(Math.max(0, left), patience.signal).then(no, no),
      ]);
      patience.abort();
      if (hasFailed) failures += 1;
      times.push(hasFailed ? slowMs : performance.now() - sentMs);
      if (pauseMs > 0) await timers.sleep(pauseMs);
    }
  };
  const ended = Promise.all(Array.from({ length: clients }, client)).then((): Measured => {
    const seconds = (performance.now() - startMs) / 1_000;
    times.sort((a, b) => a - b);
    const at = (share: number) => rounded(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0, 2);
    return {
      clients,
      count: times.length,
      failures,
      perSec: rounded(times.length / seconds, 0),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    };
  });
  return {
    ended,
    stop() {
      stopped = true;
    },
  };
}

/** Processes with one service each, and this process as their caller. */
async function startRig(
  processes: Readonly<Record<string, readonly string[]>>,
  hasPolicies: boolean,
  hasBare: boolean,
) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-mesh-'));
  const authorityFolder = join(folder, 'mesh');
  const instance = async (process: string, services: readonly string[]): Promise<Instance> => ({
    ...{ process, services, startId: `start_${process}`, host: '127.0.0.1', zone: 'a' },
    ...{ port: await findFreePort(), operatorPort: 0 },
  });
  const instances = await Promise.all(Object.entries(processes).map(([name, services]) => instance(name, services)));
  const barePort = hasBare ? await findFreePort() : undefined;
  const self = await instance('caller', ['caller']);
  const work: NodeWork = { self, others: instances, authorityFolder, hasPolicies };
  // First here, so that the authority is there when the others look for it.
  const node = await openNode(work);
  const children = new Map<string, ChildProcess>();
  for (const each of instances) {
    const given: ServiceWork = { ...work, self: each, ...(barePort === undefined ? {} : { barePort }) };
    const path = join(import.meta.dirname, 'mesh/service-process.ts');
    const child = spawn(process.execPath, [path, JSON.stringify(given)], { stdio: ['ignore', 2, 2, 'ipc'] });
    children.set(each.process, child);
    await once(child, 'message');
  }
  return {
    node,
    work,
    barePort,
    /** Milliseconds of processor that this process and that one have used since, once asked. */
    async watchCpu(name: string): Promise<() => Promise<number>> {
      const child = children.get(name) as ChildProcess;
      const used = async () => {
        child.send({ ask: 'cpu' });
        const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage];
        const own = process.cpuUsage();
        return (user + system + own.user + own.system) / 1_000;
      };
      const before = await used();
      return async () => (await used()) - before;
    },
    tell: (name: string, message: object) => void children.get(name)?.send(message),
    async stop() {
      for (const child of children.values()) child.kill('SIGKILL');
      // What still waits for them has nobody to wait for.
      await Promise.race([node.close(), timers.sleep(1_000)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
