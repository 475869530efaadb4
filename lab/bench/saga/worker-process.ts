/** One contestant of the saga benchmark at one concurrency, in a process of its own: application and driver in one. */
import pg from 'pg';
import { type LoadResult, runLoad } from '../checkout/load.ts';
import { benchWorld } from '../server.ts';
import type { FromWorker } from '../worker.ts';
import { commitPerStep, statementPerStep, type Workflow } from './hand-written.ts';
import { startKitSagas } from './kit-sagas.ts';

export type SagaContestant = 'saga' | 'commit-per-step' | 'statement-per-step';

export interface SagaWork {
  readonly contestant: SagaContestant;
  readonly url: string;
  readonly clients: number;
  readonly seed: string;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** More connections than this only make a small server slower (README). */
const connectionsMax = 32;

const work = JSON.parse(process.argv[2] ?? '{}') as SagaWork;
const { run, close } = work.contestant === 'saga' ? await startKitSagas(work.url, benchWorld) : byHand();
let count = 0;
const result = await runLoad({
  ...work,
  turn: () => {
    count += 1;
    return run(`${work.seed}-${count}`);
  },
  onMeasure: () => tell('measuring'),
});
await close();
tell(result);
process.disconnect();

function tell(message: FromWorker<LoadResult>): void {
  process.send?.(message);
}

function byHand() {
  const pool = new pg.Pool({ connectionString: work.url, max: Math.min(work.clients, connectionsMax) });
  const workflow: Workflow = work.contestant === 'commit-per-step' ? commitPerStep : statementPerStep;
  return {
    async run(id: string) {
      const client = await pool.connect();
      try {
        await workflow(client, id);
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}
