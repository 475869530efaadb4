import type { StockAlarm, StockLowEvent } from '#contracts/inventory';
import type { EventDraft } from '#kit/messaging';
import type { Database, Queryable, Transaction } from '#kit/runtime';

/** Writes events to the outbox in the transaction of what they tell. */
export type PublishAlarm = (tx: Transaction, events: readonly EventDraft<StockLowEvent>[]) => Promise<unknown>;

const setSql = `
  insert into stock_alarm (sku, low_at, email) values ($1, $2, $3)
  on conflict (sku) do update set low_at = excluded.low_at, email = excluded.email, changed_at = now()`;

/** `lowAt` null: nobody wants to hear of it any more. */
export async function setAlarm(
  database: Queryable,
  sku: string,
  lowAt: number | null,
  email: string | null,
): Promise<void> {
  if (lowAt === null) await database.query('delete from stock_alarm where sku = $1', [sku]);
  else await database.query(setSql, [sku, lowAt, email]);
}

interface AlarmRow {
  readonly sku: string;
  readonly lowAt: number;
  readonly email: string | null;
  readonly onHand: number;
}

const alarmsSql = `
  select alarm.sku, low_at as "lowAt", email, coalesce(on_hand, 0) as "onHand"
  from stock_alarm alarm left join stock on stock.holder = $1 and stock.sku = alarm.sku
  where alarm.sku > $2 and (not $3 or coalesce(on_hand, 0) <= low_at) order by alarm.sku limit $4`;

/** As the stock is now, which may be some seconds ahead of the alarms that were told. */
export async function readAlarms(
  database: Queryable,
  { holder, after, onlyLow, limit }: { holder: string; after: string; onlyLow: boolean; limit: number },
): Promise<StockAlarm[]> {
  const { rows } = await database.query<AlarmRow>(alarmsSql, [holder, after, onlyLow, limit]);
  return rows.map(({ email, ...row }) => ({
    ...row,
    isLow: row.onHand <= row.lowAt,
    ...(email === null ? {} : { email }),
  }));
}

interface CrossedRow extends AlarmRow {
  readonly version: number;
}

// Instances take turns: what one has locked the other leaves to it.
const crossedSql = `
  select alarm.sku, low_at as "lowAt", email, coalesce(on_hand, 0) as "onHand", coalesce(version, 0) as version
  from stock_alarm alarm left join stock on stock.holder = $1 and stock.sku = alarm.sku
  where is_low <> (coalesce(on_hand, 0) <= low_at) order by alarm.sku limit $2 for update of alarm skip locked`;

/** Alarms that are told in one commit; the rest follows with the next look. */
const crossedMax = 200;

/**
 * Tells which SKUs became low since it looked last, each once until there is enough again. It looks from time to time:
 * orders must not pay for it, and nobody orders new goods within a second.
 */
export async function tellLowStock(database: Database, holder: string, publish: PublishAlarm): Promise<number> {
  return database.transaction(async (tx) => {
    const { rows } = await tx.query<CrossedRow>(crossedSql, [holder, crossedMax]);
    if (rows.length === 0) return 0;
    await tx.query('update stock_alarm set is_low = not is_low, changed_at = now() where sku = any ($1::text[])', [
      rows.map(({ sku }) => sku),
    ]);
    const low = rows.filter(({ onHand, lowAt }) => onHand <= lowAt);
    if (low.length > 0)
      await publish(
        tx,
        low.map((row) => lowEvent(holder, row)),
      );
    return low.length;
  });
}

/** One event a version of a SKU and bound, ever. */
function lowEvent(holder: string, { sku, version, onHand, lowAt, email }: CrossedRow): EventDraft<StockLowEvent> {
  const data = { sku, holder, onHand, lowAt, version, ...(email === null ? {} : { email }) };
  return { id: `evt_low_${holder}_${sku}_${version}_${lowAt}`, type: 'stock.low', key: sku, data };
}
