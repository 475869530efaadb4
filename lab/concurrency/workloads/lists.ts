import type { Database, TransactionOptions } from '#kit/runtime';
import { isTransient } from '#kit/store';
import {
  type AppendWorkload,
  checkTransactions,
  createAppendWorkload,
  describeAnomaly,
  type IsolationLevel,
  type MicroOperation,
  type Transaction,
} from '../../checkers/elle/index.ts';
import type { Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';

/**
 * Transactions append to lists and read them, at each isolation level in turn. From the lists that they saw, the checker
 * tells which anomalies there were: those that PostgreSQL rules out at the level are violations, the others are counted.
 */
export const lists: Workload = {
  name: 'lists',
  summary: 'PostgreSQL itself: appends and reads at three isolation levels, checked as Elle does',
  tables: ['lab_list'],
  isFreeOfDeadlocks: false,
  async round(round) {
    const isolation = levels[(round.number - 1) % levels.length] as Isolation;
    const appends = createAppendWorkload({ random: round.random, keys: round.between(2, 4), stepsMax: 4 });
    const history: Transaction[] = [];
    const clock = { now: 0 };
    const programs = [];
    for (let i = crowd(round, 16); i > 0; i--) {
      const name = `client-${i}`;
      const database = await round.process(name).open();
      const wanted = Array.from({ length: round.between(3, 8) }, () => appends.next());
      programs.push(async () => {
        for (const operations of wanted)
          history.push(await run(round, database, { name, isolation, operations, clock }));
      });
    }
    await round.run(programs);
    history.push(await readAll(round, appends, clock.now));
    judge(round, isolation, history);
  },
};

type Isolation = NonNullable<TransactionOptions['isolation']>;
const levels: readonly Isolation[] = ['read committed', 'repeatable read', 'serializable'];
const promiseOf: Readonly<Record<Isolation, IsolationLevel>> = {
  'read committed': 'read-committed',
  'repeatable read': 'snapshot-isolation',
  serializable: 'serializable',
};
const readSql = 'select list from lab_list where key = $1';

interface Wanted {
  readonly name: string;
  readonly isolation: Isolation;
  readonly operations: readonly MicroOperation[];
  readonly clock: { now: number };
}

/** Tried once: a transaction that the server refuses has certainly not happened. */
async function run(round: Round, database: Database, { name, isolation, operations, clock }: Wanted) {
  const startAt = clock.now++;
  const end = (status: Transaction['status'], done: readonly MicroOperation[]): Transaction => {
    const endAt = clock.now++;
    return { id: `${startAt}`, process: name, status, startAt, endAt, operations: done };
  };
  try {
    const done = await database.transaction(
      async (tx) => {
        const seen: MicroOperation[] = [];
        for (const operation of operations) {
          const [kind, key, element] = operation;
          if (kind === 'append') {
            await round.parts.appendToList(tx, key, element as number);
            seen.push(operation);
          } else {
            const { rows } = await tx.query<{ list: number[] }>(readSql, [key]);
            seen.push(['read', key, rows[0]?.list.map(Number) ?? []]);
          }
        }
        return seen;
      },
      { isolation, retries: 0 },
    );
    return end('ok', done);
  } catch (error) {
    if (!isTransient(error)) throw error;
    return end('fail', operations);
  }
}

/** So that nothing stays unseen. */
async function readAll(round: Round, { keys }: AppendWorkload, at: number): Promise<Transaction> {
  const { rows } = await round.plain.query<{ key: string; list: number[] }>('select key, list from lab_list');
  const listOf = new Map(rows.map(({ key, list }) => [key, list.map(Number)]));
  const operations = keys.map((key): MicroOperation => ['read', key, listOf.get(key) ?? []]);
  return { id: 'end', process: 'end', status: 'ok', startAt: at, endAt: at + 1, operations };
}

function judge(round: Round, isolation: Isolation, history: readonly Transaction[]): void {
  const report = checkTransactions(history, { level: promiseOf[isolation] });
  for (const { name } of report.anomalies) round.note(`${isolation}: ${name}`);
  round.note(`${isolation}: transactions`, history.length);
  for (const anomaly of report.violations) {
    round.violate(`${isolation} rules out ${anomaly.name}`, describeAnomaly(anomaly));
  }
}
