import { join } from 'node:path';
import { exitCodes, Failure } from '../../cli/failure.ts';
import type { LoadResult } from './checkout/load.ts';
import { type CpuUse, cpuMsEach } from './cpu.ts';
import type { BenchOptions } from './options.ts';
import { barOf, medianBy, openReport, pairedRatio, type Report, type Run, rounded } from './report.ts';
import { prefillHandWritten, stepCount } from './saga/hand-written.ts';
import { prefillKitSagas } from './saga/kit-sagas.ts';
import type { SagaContestant, SagaWork } from './saga/worker-process.ts';
import { type BenchServer, benchWorld, startBenchServer } from './server.ts';
import { runWorker } from './worker.ts';

interface SagaRun extends Run {
  readonly cpu?: CpuUse;
}

const clientsDefault = [1, 8, 32, 128];
const warmUpMs = 1_000;
const contestants: readonly SagaContestant[] = ['saga', 'commit-per-step', 'statement-per-step'];
/** The bar stands for many at a time; alone, a saga can't beat the commits it has to wait for. */
const barredClients = [32, 128];
/** What durable-execution engines were measured at on such a machine (issue): for orientation, not in this run. */
const enginesPerSec = [120, 300];

/** Workflows of four durable steps by kit/saga, beside the same rows committed step by step, by hand. */
export async function benchSaga(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const { clients = clientsDefault, rounds, measureMs, prefill } = options;
  const finish = openReport('saga');
  const server = await startBenchServer(['sagas', 'workflows']);
  try {
    const [sagas, workflows] = [server.urls['sagas'] as string, server.urls['workflows'] as string];
    onProgress(`filling in ${prefill} workflows on both sides`);
    await prefillKitSagas(sagas, benchWorld, prefill);
    await prefillHandWritten(workflows, prefill);
    await server.vacuum();
    const results = new Map<string, SagaRun[]>();
    const ended = { sagas: prefill, workflows: prefill };
    for (let round = 1; round <= rounds; round++) {
      for (const count of clients) {
        for (const contestant of contestants) {
          const isSaga = contestant === 'saga';
          const key = `${contestant}@${count}`;
          await server.checkpoint();
          const work: SagaWork = {
            ...{ contestant, url: isSaga ? sagas : workflows, clients: count, seed: `${key}-${round}` },
            ...{ warmUpMs, measureMs },
          };
          const result = await runWorker<LoadResult>(join(import.meta.dirname, 'saga/worker-process.ts'), work, {
            postgres: server.pid,
          });
          refuseErrors(key, result);
          ended[isSaga ? 'sagas' : 'workflows'] += result.countAll;
          const { perSec, p50Ms, p99Ms, cpu } = result;
          const figures = { perSec: rounded(perSec, 1), p50Ms: rounded(p50Ms, 2), p99Ms: rounded(p99Ms, 2) };
          const run: SagaRun = {
            name: contestant,
            clients: count,
            ...figures,
            ...(cpu ? { cpu, cpuMsEach: cpuMsEach(cpu, perSec) } : {}),
          };
          results.set(key, [...(results.get(key) ?? []), run]);
          onProgress(
            `round ${round}/${rounds}  ${key.padEnd(22)} ${perSec.toFixed(0).padStart(6)}/s  p99 ${p99Ms.toFixed(1).padStart(7)} ms  cores: process ${cpu?.client ?? '?'} postgres ${cpu?.postgres ?? '?'} others ${cpu?.others ?? '?'}`,
          );
        }
      }
    }
    await audit(server, ended);
    const ratios = ratiosOf(results, clients);
    return finish({
      bars: barredClients.flatMap((count) => {
        const name = `saga/commit-per-step@${count}`;
        const value = ratios[name];
        return value === undefined ? [] : [barOf({ name, value, limit: 3, unit: '×', rule: 'at-least' })];
      }),
      ratios,
      runs: [...results.values()].map((runs) => medianBy(runs, (run) => run.perSec)),
      details: { rounds, measureMs, prefill, ended, enginesPerSec, everyRound: Object.fromEntries(results) },
    });
  } finally {
    await server.stop();
  }
}

function refuseErrors(what: string, { errors, countAll, firstError }: LoadResult): void {
  if (errors === 0 && countAll > 0) return;
  throw new Failure(
    exitCodes.internal,
    `${what}: ${errors} workflows failed, so the figures mean nothing: ${firstError}.`,
  );
}

/** Each workflow that was said to have ended is there, with all its steps, on both sides. */
async function audit(
  server: BenchServer,
  ended: { readonly sagas: number; readonly workflows: number },
): Promise<void> {
  const faults: string[] = [];
  for (const [database, table, effects, wanted] of [
    ['sagas', 'saga', 'saga_effect', ended.sagas],
    ['workflows', 'workflow', 'workflow_effect', ended.workflows],
  ] as const) {
    const [found] = await server.ask<{ completed: string; others: string; effects: string }>(
      database,
      `select count(*) filter (where status = 'completed') as completed, count(*) filter (where status <> 'completed') as others,
         (select count(*) from ${effects}) as effects from ${table}`,
    );
    const rows = [Number(found?.completed), Number(found?.others), Number(found?.effects)];
    if (rows[0] !== wanted || rows[1] !== 0 || rows[2] !== wanted * stepCount) {
      faults.push(`${database} hold ${rows.join(', ')} instead of ${wanted}, 0, ${wanted * stepCount}`);
    }
  }
  if (faults.length > 0) throw new Failure(exitCodes.checkFailed, `The rows don't add up: ${faults.join('; ')}.`);
}

function ratiosOf(
  results: ReadonlyMap<string, readonly SagaRun[]>,
  clients: readonly number[],
): Record<string, number> {
  const of = (name: string, count: number) => results.get(`${name}@${count}`) ?? [];
  return Object.fromEntries(
    clients.flatMap((count) =>
      ['commit-per-step', 'statement-per-step'].map((other) => [
        `saga/${other}@${count}`,
        pairedRatio(of('saga', count), of(other, count)),
      ]),
    ),
  );
}
