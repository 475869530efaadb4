import type { Database } from '#kit/runtime';
import {
  abandonSaga,
  defineSaga,
  insertSagas,
  isEnded,
  newSaga,
  renewOwner,
  type SagaRecord,
  type SagaWrite,
  writeSagas,
} from '#kit/saga';
import { placeOf, stepDone } from '../../../kit/saga/record.ts';
import type { Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';

/** Owners whose leases end while they work take sagas from one another; each step has an effect in its transaction. */
export const sagas: Workload = {
  name: 'sagas',
  summary: 'sagas: leases that end early, takeovers, progress under fencing tokens, people who give sagas up',
  tables: ['saga', 'saga_owner', 'lab_effect'],
  async round(round) {
    const ids = Array.from({ length: round.between(1, 6) }, (_, i) => `saga-${i}`);
    await round.plain.transaction((tx) =>
      insertSagas(
        tx,
        ids.map((id) => newSaga(definition, id, {}, 'died long ago')),
      ),
    );
    const takeovers: Takeover[] = [];
    const programs = [];
    for (let i = crowd(round); i > 0; i--) programs.push(await owner(round, `owner-${i}`, takeovers));
    if (round.chance(0.3)) programs.push(await person(round, ids));
    await round.run(programs);
    checkTakeovers(round, takeovers);
    await checkEffects(round);
  },
};

const stepNames = ['a', 'b', 'c', 'd'];
const definition = defineSaga({
  name: 'lab',
  version: 1,
  steps: stepNames.map((name) => ({ name, kind: 'local' as const, run: async () => ({ done: undefined }) })),
});

interface Takeover {
  readonly saga: string;
  readonly fence: number;
  readonly owner: string;
}

async function owner(round: Round, name: string, takeovers: Takeover[]) {
  const { world, open } = round.process(name);
  const database = await open();
  const tries = round.between(2, 6);
  const takesMax = round.between(1, 3);
  // A lease of nothing is one that has just ended, by the clock of the database.
  const leases = Array.from({ length: tries }, () => round.pick([0, 0, 60_000]));
  return async () => {
    for (const leaseMs of leases) {
      await renewOwner(database, name, leaseMs);
      const taken = await round.parts.takeOverSagas(database, name, ['lab@1'], takesMax);
      for (const { id, fence } of taken) takeovers.push({ saga: id, fence, owner: name });
      for (const saga of taken) await work(database, saga, world.clock.now());
    }
  };
}

/** Goes on until the saga has ended, or somebody else has it. */
async function work(database: Database, taken: SagaRecord, at: number): Promise<void> {
  let saga = taken;
  while (saga.status === 'running' && !isEnded(saga)) {
    const step = stepNames[saga.step] as string;
    const progress = stepDone(saga, step, stepNames.length, undefined, { step, event: 'done', at });
    if ((await write(database, progress)) === 'fenced') return;
    saga = progress;
  }
}

function write(database: Database, progress: SagaRecord): Promise<SagaWrite> {
  return database.transaction(async (tx) => {
    const [written] = await writeSagas(tx, [progress]);
    if (written === 'written') {
      const what = JSON.stringify({ place: placeOf(progress.revision), fence: progress.fence });
      await tx.query('insert into lab_effect (key, what) values ($1, $2)', [progress.id, what]);
    }
    return written as SagaWrite;
  });
}

async function person(round: Round, ids: readonly string[]) {
  const database = await round.process('person').open();
  const id = round.pick(ids);
  return async () => void (await abandonSaga(database, id, stepNames.length - 1, 'somebody', 'changed their mind'));
}

function checkTakeovers(round: Round, takeovers: readonly Takeover[]): void {
  const holders = new Map<string, string>();
  for (const { saga, fence, owner: who } of takeovers) {
    const name = `${saga} under token ${fence}`;
    const other = holders.get(name);
    if (other) round.violate('one holder of a lease', `${name}: ${other} and ${who}`);
    holders.set(name, who);
  }
}

/** An effect, or, where there is no place, a takeover. In the order in which they had the saga's row. */
interface Line {
  readonly place?: number;
  readonly fence: number;
}

async function checkEffects(round: Round): Promise<void> {
  const { rows } = await round.plain.query<{ key: string; lines: readonly Line[]; status: string; step: number }>(
    `select key, json_agg(what::json order by e.id) as lines, max(status) as status, max(step) as step
     from lab_effect e join saga on saga.id = key group by key`,
  );
  for (const { key, lines, status, step } of rows) {
    const seen = lines.map(({ place, fence }) => (place ? `${place} by ${fence}` : `taken by ${fence}`)).join(', ');
    const effects = lines.filter(({ place }) => place !== undefined);
    if (new Set(effects.map(({ place }) => place)).size < effects.length) {
      round.violate('each step has its effect once', `${key}: ${seen}`);
    }
    if (lines.some(({ fence }, i) => i > 0 && fence < (lines[i - 1] as Line).fence)) {
      round.violate('no write of an earlier holder counts', `${key}: ${seen}`);
    }
    const isGivenUp = status === 'compensating' || status === 'abandoned';
    if (!isGivenUp && effects.length !== step) {
      round.violate('progress and effect are one', `${key}: step ${step}, effects ${seen}`);
    }
  }
}
