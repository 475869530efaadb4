import { type Claim, completeKeys } from '#kit/idempotency';
import type { Database, Transaction } from '#kit/runtime';
import type { Round } from '../rig.ts';
import { crowd, openAmbush, roadblock, type Workload } from '../workload.ts';

/** Requests with the same keys arrive everywhere at once; some give up half way, some use a key for something else. */
export const claims: Workload = {
  name: 'claims',
  summary: 'idempotency: the same keys claimed, completed, given up and repeated at once',
  tables: ['idempotency_key', 'lab_effect'],
  async round(round) {
    const told: Told[] = [];
    const keys = Array.from({ length: round.between(2, 8) }, (_, i) => `key-${i}`);
    const programs = [];
    for (let i = crowd(round); i > 0; i--) {
      const database = await round.process(`caller-${i}`).open();
      const requests = Array.from({ length: round.between(2, 6) }, () => drawRequest(round, keys));
      programs.push(async () => {
        for (const request of requests) told.push(...(await ask(round, database, request, `caller-${i}`)));
      });
    }
    programs.push(await roadblock(round, lockKeySql, keys));
    if (round.chance(0.5)) programs.push(await crossing(round, told));
    await round.run(programs);
    await checkClaims(round, told);
  },
};

interface Request {
  readonly claims: readonly Claim[];
  /** Fails after the work is done and before it is committed. */
  readonly givesUp: boolean;
  /** Records the result in a transaction of its own, as an order does that is decided later. */
  readonly completesLater: boolean;
}

interface Told {
  readonly key: string;
  readonly fingerprint: string;
  readonly state: 'claimed' | 'done' | 'in-flight' | 'mismatch';
  readonly result: unknown;
}

const lockKeySql = `insert into idempotency_key (scope, key, fingerprint) values ('lab', $1, '') on conflict do nothing`;

class GaveUp extends Error {}

function drawRequest(round: Round, keys: readonly string[]): Request {
  const wanted = shuffled(round, keys).slice(0, round.between(1, 4));
  return {
    claims: wanted.map((key) => ({ scope: 'lab', key, fingerprint: round.chance(0.1) ? 'other' : 'same' })),
    givesUp: round.chance(0.2),
    completesLater: round.chance(0.3),
  };
}

/**
 * Two requests name the same keys from either end, while the one in the middle is taken. Who claims in the order of naming has
 * its first key by then, and wants that of the other next; who claims them sorted waits in line.
 */
async function crossing(round: Round, told: Told[]) {
  const named = shuffled(round, ['crossed-0', 'crossed-1', 'crossed-2']);
  const victims = new Map<string, () => Promise<void>>();
  for (const [i, keys] of [named, named.toReversed()].entries()) {
    const name = `crossing-${i}`;
    const database = await round.process(name).open();
    const claims = keys.map((key) => ({ scope: 'lab', key, fingerprint: 'same' }));
    const request = { claims, givesUp: false, completesLater: round.chance(0.3) };
    victims.set(name, async () => void told.push(...(await ask(round, database, request, name))));
  }
  const ambush = await openAmbush(round, lockKeySql);
  return () => ambush(named[1] as string, victims);
}

const shuffled = <T>(round: Round, items: readonly T[]): T[] => items.toSorted(() => round.random.next() - 0.5);

async function ask(round: Round, database: Database, request: Request, who: string): Promise<Told[]> {
  const { claims: wanted, givesUp, completesLater } = request;
  try {
    const told = await database.transaction(async (tx) => {
      const states = await round.parts.claimKeys(tx, wanted);
      const answers: Told[] = [];
      for (const [i, claim] of wanted.entries()) {
        const answer = states[i] as (typeof states)[number];
        const result =
          answer.state === 'claimed' ? await addEffect(tx, claim.key, who) : 'result' in answer ? answer.result : null;
        answers.push({ ...claim, state: answer.state, result });
      }
      if (givesUp) throw new GaveUp('gave up');
      if (!completesLater) await complete(tx, answers);
      return answers;
    });
    if (completesLater) await database.transaction((tx) => complete(tx, told));
    return told;
  } catch (error) {
    if (error instanceof GaveUp) return [];
    throw error;
  }
}

async function addEffect(tx: Transaction, key: string, who: string): Promise<unknown> {
  const { rows } = await tx.query<{ id: number }>('insert into lab_effect (key, what) values ($1, $2) returning id', [
    key,
    who,
  ]);
  return { effect: rows[0]?.id };
}

function complete(tx: Transaction, answers: readonly Told[]): Promise<void> {
  const mine = answers.filter(({ state }) => state === 'claimed');
  return completeKeys(
    tx,
    mine.map(({ key, result }) => ({ scope: 'lab', key, result })),
  );
}

async function checkClaims(round: Round, told: readonly Told[]): Promise<void> {
  const { rows } = await round.plain.query<{ key: string; effects: readonly number[]; fingerprint: string | null }>(
    `select key, array_agg(e.id) as effects, max(fingerprint) as fingerprint
     from lab_effect e full join idempotency_key using (key) group by key`,
  );
  for (const { key, effects, fingerprint } of rows) {
    if (effects.length !== 1) round.violate('one result per key', `${key}: effects ${effects.join(', ')}`);
    const mine = told.filter((one) => one.key === key);
    const results = new Set(mine.filter(({ result }) => result !== null).map(({ result }) => JSON.stringify(result)));
    if (results.size > 1) round.violate('a repeat gets the first answer', `${key}: ${[...results].join(' and ')}`);
    const wrong = mine.filter((one) => (one.state === 'mismatch') === (one.fingerprint === fingerprint));
    if (wrong.length > 0) round.violate('a key stands for one payload', `${key}: ${JSON.stringify(wrong[0])}`);
  }
  const known = new Set(rows.map(({ key }) => key));
  const lost = told.find(({ key }) => !known.has(key));
  if (lost) round.violate('what was told is there', JSON.stringify(lost));
}
