import type { Transaction } from '#kit/runtime';
import { replaceInSql } from '../../simulator/bugs/rewire.ts';
import type { Parts } from '../parts.ts';
import type { Bug } from './index.ts';

export const stockBugs: readonly Bug[] = [
  {
    name: 'check-then-act',
    summary: 'stock is read, found enough, and written back: nothing holds the row in between',
    workload: 'holds',
    breaks: /never oversold/,
    roundsMax: 40,
    parts: { applyInventory: checkThenAct },
  },
  {
    name: 'unordered-locks',
    summary: 'stock rows are locked in the order in which each session happens to come by them',
    workload: 'holds',
    breaks: /no deadlocks/,
    roundsMax: 40,
    rewrite: replaceInSql(/from stock where holder = \$1 and sku = any/, (text) =>
      text.replace('order by sku', 'order by md5(sku || pg_backend_pid())'),
    ),
  },
  {
    name: 'hold-not-locked',
    summary: 'the hold of an order is read without a lock, so that its commit and its release both find it held',
    workload: 'holds',
    breaks: /conserved|unexpectedly/,
    roundsMax: 100,
    rewrite: replaceInSql(/from hold where order_id = any/, (text) => text.replace('for update', '')),
  },
  {
    name: 'stock-not-locked',
    summary: 'stock is read without a lock: the version in the key of movements refuses the second writer',
    workload: 'holds',
    breaks: /unexpectedly/,
    roundsMax: 40,
    rewrite: replaceInSql(/from stock where holder = \$1 and sku = any/, (text) => text.replace('for update', '')),
  },
  {
    name: 'recall-unguarded',
    summary: 'stock decided on recalled rows is written without looking whether it is still so',
    workload: 'recalled',
    breaks: /never oversold|conserved|unexpectedly/,
    roundsMax: 40,
    rewrite: replaceInSql(/stock\.version = new\.was/, (text) =>
      text.replace('stock.version = new.was', 'stock.version >= new.was'),
    ),
  },
  {
    name: 'recalled-hold-unguarded',
    summary: 'a hold that is recalled is sold, although another instance has released it since',
    workload: 'recalled',
    breaks: /conserved|unexpectedly/,
    roundsMax: 40,
    rewrite: replaceInSql(/and hold\.status = 'held'/, (text) =>
      text.replace("and hold.status = 'held'", "and hold.status <> ''"),
    ),
  },
  {
    name: 'new-hold-waits',
    summary: 'a hold that another instance made is met by its key alone: who sells it waits for our stock, we for it',
    workload: 'recalled',
    breaks: /no deadlocks/,
    roundsMax: 40,
    rewrite: replaceInSql(/where not exists \(select from hold as known/, (text) =>
      text.replace(/where not exists \([^)]*\)/, ''),
    ),
  },
  {
    name: 'shares-unordered',
    summary:
      'who hands over locks its own share first and then the other one: two that hand over to each other wait for ever',
    workload: 'shares',
    breaks: /no deadlocks/,
    roundsMax: 40,
    rewrite: replaceInSql(/from stock where \(holder, sku\) in/, (text) =>
      text.replace('order by holder, sku', 'order by md5(holder || sku || pg_backend_pid())'),
    ),
  },
  {
    name: 'transfer-forgotten',
    summary: 'nobody writes down which transfers were made, so one that is told again is made again',
    workload: 'shares',
    breaks: /counts once/,
    roundsMax: 40,
    rewrite: (text, values) =>
      /insert into share_change/.test(text)
        ? { answer: { rows: [], count: (values[0] as readonly unknown[]).length } }
        : undefined,
  },
  {
    name: 'shares-not-locked',
    summary: 'shares are read without a lock: the version in the key of movements refuses the second writer',
    workload: 'shares',
    breaks: /unexpectedly/,
    roundsMax: 40,
    rewrite: replaceInSql(/from stock where \(holder, sku\) in/, (text) => text.replace('for update', '')),
  },
];

/** As shops do it that have sold 200 of 50: a select, an if, an update. One command after the other, one line each. */
async function checkThenAct(
  ...[tx, { holder }, commands]: Parameters<Parts['applyInventory']>
): ReturnType<Parts['applyInventory']> {
  const verdicts: Awaited<ReturnType<Parts['applyInventory']>> = [];
  for (const command of commands) {
    if (command.kind !== 'hold') verdicts.push({ ok: { stock: [] } });
    else if (await holdUnits(tx, holder, command)) {
      const { orderId, lines } = command;
      const held = lines.map((line) => ({ ...line, version: 1 }));
      verdicts.push({ ok: { hold: { orderId, status: 'held', lines: held, shortages: [] }, stock: [] } });
    } else verdicts.push({ error: Object.assign(new Error('out of stock'), { category: 'conflict' }) });
  }
  return verdicts;
}

async function holdUnits(
  tx: Transaction,
  holder: string,
  { orderId, lines }: { readonly orderId: string; readonly lines: readonly { sku: string; quantity: number }[] },
): Promise<boolean> {
  const known = await tx.query('select from hold where order_id = $1', [orderId]);
  if (known.count > 0) return true;
  const units = new Map<string, number>();
  for (const { sku, quantity } of lines) {
    const { rows } = await tx.query<{ left: number }>(
      'select on_hand as left from stock where holder = $1 and sku = $2',
      [holder, sku],
    );
    const left = rows[0]?.left ?? 0;
    if (left < quantity) return false;
    units.set(sku, left - quantity);
  }
  for (const [sku, left] of units) {
    await tx.query('update stock set on_hand = $3, held = received - sold - $3 where holder = $1 and sku = $2', [
      holder,
      sku,
      left,
    ]);
  }
  await tx.query(
    `insert into hold (order_id, holder, status, lines) values ($1, $2, 'held', $3) on conflict do nothing`,
    [orderId, holder, JSON.stringify(lines.map((line) => [line.sku, line.quantity, 1]))],
  );
  return true;
}
