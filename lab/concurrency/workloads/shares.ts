import type { ShareChange } from '#contracts/inventory';
import { createOutbox, createPostgresLog } from '#kit/messaging';
import type { Database } from '#kit/runtime';
import { type BatchWriter, createBatchWriter } from '#kit/store';
import type { ShareCommand } from '../../../services/inventory/shares.ts';
import type { Round } from '../rig.ts';
import { crowd, roadblock, type Workload } from '../workload.ts';

/**
 * Stock goes to and fro between the shop and its tills, and tills sell theirs, on several instances at once: each transfer and
 * each sale is told several times, by whoever, and some pairs of holders hand over to each other at the same moment.
 */
export const shares: Workload = {
  name: 'shares',
  summary: 'inventory: transfers between holders, in both directions, and sales of tills, each told several times',
  tables: ['stock', 'movement', 'share_change', 'outbox'],
  async round(round) {
    const skus = Array.from({ length: round.between(1, 3) }, (_, i) => `sku-${i}`);
    const holders = ['main', ...Array.from({ length: round.between(1, 3) }, (_, i) => `till-${i}`)];
    const commands = drawCommands(round, skus, holders);
    const writers: BatchWriter<ShareCommand, ShareChange>[] = [];
    for (let i = crowd(round, 12); i > 0; i--) writers.push(await openShop(round, `shop-${i}`));
    await receive(round, skus);
    const told = new Map<string, number>();
    const programs = writers.map((writer) => {
      // Whoever tells: most of it is told by several.
      const mine = commands.filter(() => round.chance(0.6)).toSorted(() => round.random.next() - 0.5);
      return () => tellAll(writer, mine, told);
    });
    await round.run([...programs, await roadblock(round, lockShareSql, skus)]);
    await checkShares(round, commands, told);
  },
};

const unitsAtFirst = 30;
const lockShareSql = `select from stock where holder = 'main' and sku = $1 for update`;

function drawCommands(round: Round, skus: readonly string[], holders: readonly string[]): ShareCommand[] {
  const tills = holders.filter((holder) => holder !== 'main');
  return Array.from({ length: round.between(4, 16) }, (_, i): ShareCommand => {
    // In any order, as people write them down.
    const lines = skus
      .toSorted(() => round.random.next() - 0.5)
      .slice(0, round.between(1, skus.length))
      .map((sku) => ({ sku, quantity: round.between(1, 4) }));
    const common = { reference: `ref-${i}`, fingerprint: `of ref-${i}`, lines };
    if (round.chance(0.3)) return { ...common, kind: 'sell', holder: round.pick(tills) };
    const from = round.pick(holders);
    const to = round.pick(holders.filter((holder) => holder !== from));
    return { ...common, kind: 'transfer', from, to };
  });
}

async function openShop(round: Round, name: string): Promise<BatchWriter<ShareCommand, ShareChange>> {
  const { world, open } = round.process(name);
  const database = await open();
  const log = createPostgresLog({ database: round.plain, world });
  const outbox = createOutbox({ source: 'inventory', database, log, world });
  return createBatchWriter<ShareCommand, ShareChange>({
    name,
    database,
    ...world,
    batchMax: round.between(1, 4),
    apply: (tx, commands) => round.parts.applyShares(tx, { holder: 'main', publish: outbox.publish }, commands),
  });
}

async function receive(round: Round, skus: readonly string[]): Promise<void> {
  await round.plain.query(
    `insert into stock (holder, sku, received, on_hand, version)
     select 'main', sku, $2::bigint, $2::bigint, 1 from unnest($1::text[]) as new (sku)`,
    [skus, unitsAtFirst],
  );
  await round.plain.query(
    `insert into movement (holder, sku, version, kind, quantity, reference)
     select holder, sku, 1, 'receive', received, 'start' from stock`,
  );
}

/** `told`: how often it was said to be done. */
async function tellAll(
  writer: BatchWriter<ShareCommand, ShareChange>,
  commands: readonly ShareCommand[],
  told: Map<string, number>,
): Promise<void> {
  for (const command of commands) {
    try {
      await writer.submit(command);
      told.set(command.reference, (told.get(command.reference) ?? 0) + 1);
    } catch (error) {
      // Out of stock is an answer; a transfer that finds nothing leaves nothing.
      if ((error as { category?: string }).category !== 'conflict') throw error;
    }
  }
}

interface ShareRow {
  readonly holder: string;
  readonly sku: string;
  readonly received: number;
  readonly onHand: number;
  readonly sold: number;
  readonly sent: number;
  readonly arrived: number;
  readonly version: number;
}

interface MovementRow {
  readonly holder: string;
  readonly sku: string;
  readonly kind: string;
  readonly quantity: number;
  readonly reference: string;
}

const sum = <T>(rows: readonly T[], of: (row: T) => number): number => rows.reduce((all, row) => all + of(row), 0);

async function checkShares(
  { plain, violate }: Pick<Round, 'plain' | 'violate'>,
  commands: readonly ShareCommand[],
  told: ReadonlyMap<string, number>,
): Promise<void> {
  const stock = await rowsOf<ShareRow>(
    plain,
    'select holder, sku, received, on_hand as "onHand", sold, sent, arrived, version from stock order by 1, 2',
  );
  const movements = await rowsOf<MovementRow>(plain, 'select holder, sku, kind, quantity, reference from movement');
  for (const [sku, rows] of Map.groupBy(stock, (row) => row.sku)) {
    const found = sum(movements, (row) => (row.sku === sku && row.kind === 'find' ? row.quantity : 0));
    const here = sum(rows, ({ onHand, sold }) => onHand + sold);
    if (here !== unitsAtFirst + found)
      violate('units are conserved', `${sku}: ${here} of ${unitsAtFirst} and ${found} found`);
    if (sum(rows, (row) => row.sent) !== sum(rows, (row) => row.arrived))
      violate('units are conserved', `${sku}: sent is not arrived: ${JSON.stringify(rows)}`);
  }
  for (const row of stock) {
    const count = movements.filter(({ holder, sku }) => holder === row.holder && sku === row.sku).length;
    if (count !== row.version) violate('each change of a share is one movement', `${JSON.stringify(row)}: ${count}`);
  }
  for (const { reference, kind, lines } of commands) {
    const done = movements.filter(
      (row) => row.reference === reference && row.kind === (kind === 'sell' ? 'sell' : 'arrive'),
    );
    const units = sum(done, ({ quantity }) => quantity);
    const wanted = sum(lines, ({ quantity }) => quantity);
    if (units !== (told.has(reference) ? wanted : 0))
      violate(
        'each transfer and each sale counts once',
        `${reference}: ${units} units, ${told.get(reference) ?? 0} times told done`,
      );
  }
}

const rowsOf = async <T extends object>(plain: Database, sql: string): Promise<readonly T[]> =>
  (await plain.query<T>(sql)).rows;
