import type { MovementKind } from '#contracts/inventory';
import type { Queryable, Transaction } from '#kit/runtime';
import { allWritten, exactly, isInexact, isUniqueViolation, Overtaken } from '#kit/store';
import type { HeldLine, HoldRecord, HoldStatus, Movement, Shortage, Stock } from './model.ts';

interface HoldRow {
  readonly orderId: string;
  readonly status: HoldStatus;
  readonly lines: readonly [string, number, number][];
  readonly shortages: readonly Shortage[] | null;
  readonly due: boolean | null;
}

const lockHoldsSql = `
  select order_id as "orderId", status, lines, shortages, expires_at < now() as due
  from hold where order_id = any ($1::text[]) order by order_id for update`;

export interface LockedHolds {
  readonly holds: readonly HoldRecord[];
  /** Orders whose hold's time is up, by the database's clock. */
  readonly due: ReadonlySet<string>;
}

/** Reads and locks the holds of these orders. Rows are always locked in one order: holds, then stock, each by key. */
export async function lockHolds(tx: Transaction, orderIds: readonly string[]): Promise<LockedHolds> {
  if (orderIds.length === 0) return { holds: [], due: new Set() };
  const { rows } = await tx.query<HoldRow>(lockHoldsSql, [orderIds]);
  return {
    holds: rows.map((row) => ({
      orderId: row.orderId,
      status: row.status,
      lines: row.lines.map(([sku, quantity, version]) => ({ sku, quantity, version })),
      shortages: row.shortages ?? [],
    })),
    due: new Set(rows.filter((row) => row.due === true).map((row) => row.orderId)),
  };
}

const addStockSql = `
  insert into stock (holder, sku) select $1, sku from unnest($2::text[]) as new (sku) order by sku
  on conflict do nothing`;

// An array, so that the index is used: an `or` of two conditions would read the whole table.
const lockStockSql = `
  select sku, received, on_hand as "onHand", held, sold, written_off as "writtenOff", version
  from stock where holder = $1 and sku = any (array(
    select unnest($2::text[])
    union select line ->> 0 from hold cross join jsonb_array_elements(lines) as line where order_id = any ($3::text[])))
  order by sku for update`;

/**
 * Reads and locks stock: the rows of `skus`, and those that the holds of `orderIds` are of. The rows in `create` are made
 * first where they are new.
 */
export async function lockStock(
  tx: Transaction,
  holder: string,
  wanted: {
    readonly skus: readonly string[];
    readonly orderIds: readonly string[];
    readonly create: readonly string[];
  },
): Promise<readonly Stock[]> {
  const { skus, orderIds, create } = wanted;
  const [, { rows }] = await Promise.all([
    create.length > 0 ? tx.query(addStockSql, [holder, create]) : undefined,
    tx.query<Stock>(lockStockSql, [holder, skus, orderIds]),
  ]);
  return rows;
}

const writeStockSql = `
  update stock set received = new.received, on_hand = new.on_hand, held = new.held, sold = new.sold,
    written_off = new.written_off, version = new.version
  from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    as new (sku, received, on_hand, held, sold, written_off, version)
  where stock.holder = $1 and stock.sku = new.sku`;

const writeRecalledStockSql = exactly(
  `
  update stock set received = new.received, on_hand = new.on_hand, held = new.held, sold = new.sold,
    written_off = new.written_off, version = new.version
  from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[]) as new (sku, received, on_hand, held, sold, written_off, version, was)
  where stock.holder = $1 and stock.sku = new.sku and stock.version = new.was`,
  '$10',
);

const addMovementsSql = `
  insert into movement (holder, sku, version, kind, quantity, reference)
  select $1, sku, version, kind, quantity, reference
  from unnest($2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[])
    as new (sku, version, kind, quantity, reference)`;

/**
 * Fails where one of them is there by now, without touching it: whoever sells a recalled hold has written it and waits for
 * the stock that is locked here, so the key alone would have each wait for the other.
 */
const addHoldsSql = exactly(
  `
  insert into hold (order_id, holder, status, lines, shortages, expires_at)
  select order_id, $1, status, lines, nullif(shortages, '[]'), now() + make_interval(secs => expires_in_ms / 1000)
  from unnest($2::text[], $3::text[], $4::jsonb[], $5::jsonb[], $6::double precision[])
    as new (order_id, status, lines, shortages, expires_in_ms)
  where not exists (select from hold as known where known.order_id = new.order_id)`,
  '$7',
);

const writeHoldsSql = `
  update hold set status = new.status, lines = new.lines, shortages = nullif(new.shortages, '[]'),
    expires_at = case when new.status = 'held' then hold.expires_at end
  from unnest($1::text[], $2::text[], $3::jsonb[], $4::jsonb[]) as new (order_id, status, lines, shortages)
  where hold.order_id = new.order_id`;

const writeRecalledHoldsSql = exactly(`${writeHoldsSql} and hold.status = 'held'`, '$5');

export interface BookChanges {
  readonly stock: readonly Stock[];
  readonly movements: readonly Movement[];
  readonly newHolds: readonly (HoldRecord & { readonly expiresInMs: number })[];
  readonly changedHolds: readonly HoldRecord[];
  /**
   * Versions of the stock that was decided on, where nothing was locked: the writes then fail (see `isInexact`) unless
   * stock has these, and changed holds were still `held`.
   */
  readonly recalled?: ReadonlyMap<string, number>;
}

/**
 * Writes what a batch has decided: at most four statements, sent together, however many commands there were. In the order
 * in which others lock: holds that are there, stock, and only then new holds, which another instance may be making too.
 */
export async function writeBook(tx: Transaction, holder: string, changes: BookChanges): Promise<void> {
  const { stock, movements, newHolds, changedHolds, recalled } = changes;
  const writes: Promise<unknown>[] = [];
  if (changedHolds.length > 0) {
    const values = [
      changedHolds.map((hold) => hold.orderId),
      changedHolds.map((hold) => hold.status),
      changedHolds.map((hold) => linesText(hold.lines)),
      changedHolds.map((hold) => JSON.stringify(hold.shortages)),
    ];
    writes.push(
      recalled ? tx.query(writeRecalledHoldsSql, [...values, changedHolds.length]) : tx.query(writeHoldsSql, values),
    );
  }
  if (stock.length > 0) {
    const values = [
      holder,
      stock.map((row) => row.sku),
      stock.map((row) => row.received),
      stock.map((row) => row.onHand),
      stock.map((row) => row.held),
      stock.map((row) => row.sold),
      stock.map((row) => row.writtenOff),
      stock.map((row) => row.version),
    ];
    const versions = recalled && stock.map((row) => recalled.get(row.sku) ?? null);
    writes.push(
      versions ? tx.query(writeRecalledStockSql, [...values, versions, stock.length]) : tx.query(writeStockSql, values),
    );
  }
  if (newHolds.length > 0) writes.push(addHolds(tx, holder, newHolds));
  if (movements.length > 0) {
    writes.push(
      tx.query(addMovementsSql, [
        holder,
        movements.map((row) => row.sku),
        movements.map((row) => row.version),
        movements.map((row) => row.kind),
        movements.map((row) => row.quantity),
        movements.map((row) => row.reference),
      ]),
    );
  }
  await allWritten(writes);
}

async function addHolds(tx: Transaction, holder: string, holds: BookChanges['newHolds']): Promise<void> {
  try {
    await tx.query(addHoldsSql, [
      holder,
      holds.map((hold) => hold.orderId),
      holds.map((hold) => hold.status),
      holds.map((hold) => linesText(hold.lines)),
      holds.map((hold) => JSON.stringify(hold.shortages)),
      holds.map((hold) => (hold.status === 'held' ? hold.expiresInMs : null)),
      holds.length,
    ]);
  } catch (error) {
    // Another instance made one of these holds after we looked: decide again on what it left.
    throw isUniqueViolation(error) || isInexact(error)
      ? new Overtaken('a hold was made elsewhere at the same time')
      : error;
  }
}

function linesText(lines: readonly HeldLine[]): string {
  return JSON.stringify(lines.map((line) => [line.sku, line.quantity, line.version]));
}

const returnedSql = `
  select r.order_id as "orderId", line ->> 'sku' as sku, sum((line ->> 'quantity')::bigint)::bigint as quantity
  from stock_return r, jsonb_array_elements(r.lines) as line
  where r.order_id = any ($1::text[]) group by 1, 2`;

/** Units that came back already, by order and SKU. */
export async function returnedUnits(
  tx: Transaction,
  orderIds: readonly string[],
): Promise<Map<string, Map<string, number>>> {
  const returned = new Map<string, Map<string, number>>();
  if (orderIds.length === 0) return returned;
  const { rows } = await tx.query<{ orderId: string; sku: string; quantity: number }>(returnedSql, [orderIds]);
  for (const { orderId, sku, quantity } of rows) {
    const units = returned.get(orderId) ?? new Map<string, number>();
    returned.set(orderId, units.set(sku, quantity));
  }
  return returned;
}

export async function knownReturns(tx: Transaction, returnIds: readonly string[]): Promise<Set<string>> {
  if (returnIds.length === 0) return new Set();
  const { rows } = await tx.query<{ id: string }>(
    'select return_id as id from stock_return where return_id = any ($1::text[])',
    [returnIds],
  );
  return new Set(rows.map((row) => row.id));
}

export interface ReturnRow {
  readonly returnId: string;
  readonly orderId: string;
  readonly lines: unknown;
  readonly sellable: boolean;
}

export async function addReturns(tx: Transaction, returns: readonly ReturnRow[]): Promise<void> {
  if (returns.length === 0) return;
  await tx.query(
    `insert into stock_return (return_id, order_id, lines, sellable)
     select * from unnest($1::text[], $2::text[], $3::jsonb[], $4::boolean[])`,
    [
      returns.map((row) => row.returnId),
      returns.map((row) => row.orderId),
      returns.map((row) => JSON.stringify(row.lines)),
      returns.map((row) => row.sellable),
    ],
  );
}

/** What staff said about a receipt or an adjustment. */
export interface Remarks {
  readonly reason: string | null;
  readonly note: string | null;
  readonly occurredAtMs: number | null;
}

export interface ChangeRow extends Remarks {
  readonly kind: 'receive' | 'adjust' | 'take-stock';
  readonly key: string;
  readonly fingerprint: string;
}

export async function knownChanges(
  tx: Transaction,
  references: readonly string[],
): Promise<Map<string, { readonly fingerprint: string | null }>> {
  if (references.length === 0) return new Map();
  const { rows } = await tx.query<{ reference: string; fingerprint: string | null }>(
    'select reference, fingerprint from stock_change where reference = any ($1::text[])',
    [references],
  );
  return new Map(rows.map((row) => [row.reference, row]));
}

export async function addChanges(tx: Transaction, changes: readonly ChangeRow[]): Promise<void> {
  if (changes.length === 0) return;
  await tx.query(
    `insert into stock_change (reference, kind, fingerprint, reason, note, occurred_at)
     select reference, kind, fingerprint, reason, note, to_timestamp(occurred_at_ms / 1000)
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::double precision[])
       as new (reference, kind, fingerprint, reason, note, occurred_at_ms)`,
    [
      changes.map((row) => row.key),
      changes.map((row) => (row.kind === 'receive' ? 'receipt' : 'adjustment')),
      changes.map((row) => row.fingerprint),
      changes.map((row) => row.reason),
      changes.map((row) => row.note),
      changes.map((row) => row.occurredAtMs),
    ],
  );
}

export async function dueHolds(database: Queryable, max: number): Promise<readonly string[]> {
  const { rows } = await database.query<{ id: string }>(
    `select order_id as id from hold where status = 'held' and expires_at < now() order by expires_at limit $1`,
    [max],
  );
  return rows.map((row) => row.id);
}

export interface OpenHoldRow {
  readonly orderId: string;
  readonly holder: string;
  readonly lines: readonly [string, number, number][];
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** To the microsecond, as a Date is not: a page goes on exactly behind this row. */
  readonly expiresAtExact: string;
}

/** Holds that wait for their order, by when they expire; only these are in the index. */
export async function readOpenHolds(
  database: Queryable,
  after: readonly [expiresAt: string, orderId: string] | undefined,
  limit: number,
  sku: string | null,
): Promise<readonly OpenHoldRow[]> {
  const { rows } = await database.query<OpenHoldRow>(
    `select order_id as "orderId", holder, lines, created_at as "createdAt", expires_at as "expiresAt",
       to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "expiresAtExact"
     from hold
     where status = 'held' and ($1::timestamptz is null or (expires_at, order_id) > ($1, $2))
       and ($3::text is null or exists (select from jsonb_array_elements(lines) as line where line ->> 0 = $3))
     order by expires_at, order_id limit $4`,
    [after?.[0] ?? null, after?.[1] ?? '', sku, limit],
  );
  return rows;
}

const levelColumns = `sku, holder, received, on_hand as "onHand", held, sold, written_off as "writtenOff", sent, arrived,
  version`;

export interface LevelRow extends Readonly<Stock> {
  readonly holder: string;
  readonly sent: number;
  readonly arrived: number;
}

export async function readLevels(
  database: Queryable,
  after: readonly [string, string],
  limit: number,
  skus: readonly string[] | null,
  holder: string | null = null,
): Promise<readonly LevelRow[]> {
  const { rows } = await database.query<LevelRow>(
    `select ${levelColumns} from stock
     where (sku, holder) > ($1, $2) and ($3::text[] is null or sku = any ($3)) and ($5::text is null or holder = $5)
     order by sku, holder limit $4`,
    [after[0], after[1], skus, limit, holder],
  );
  return rows;
}

/** What one holder can sell: the share of another is nothing that it could promise. */
export async function readAvailability(
  database: Queryable,
  holder: string,
  skus: readonly string[],
): Promise<readonly { sku: string; available: number; version: number }[]> {
  const { rows } = await database.query<{ sku: string; available: number; version: number }>(
    'select sku, on_hand as available, version from stock where holder = $1 and sku = any ($2::text[])',
    [holder, skus],
  );
  return rows;
}

export interface MovementRow extends Movement {
  readonly holder: string;
  readonly at: Date;
  readonly reason: string | null;
  readonly note: string | null;
  readonly occurredAt: Date | null;
}

const movementColumns = `m.holder, m.sku, m.version, m.kind, m.quantity, m.reference, m.at, c.reason, c.note,
  c.occurred_at as "occurredAt"`;
// Orders and returns have no remarks, so most movements find nothing there.
const movementTables = 'movement m left join stock_change c on c.reference = m.reference';

/** Where a page of a SKU's movements ended: each holder counts its own versions, so a version alone names several. */
type VersionAt = readonly [version: number, holder: string];

// Holder by holder, along the primary key: over all holders at once every movement of every SKU would be read.
const readMovementsSql = `
  select ${movementColumns}
  from stock cross join lateral (
    select * from movement
    where movement.holder = stock.holder and movement.sku = stock.sku
      and movement.version <= $2 and (movement.version, movement.holder) < ($2, $3)
    order by movement.version desc limit $4) as m
  left join stock_change c on c.reference = m.reference
  where stock.sku = $1 order by m.version desc, m.holder desc limit $4`;

export async function readMovements(
  database: Queryable,
  sku: string,
  before: VersionAt | null,
  limit: number,
): Promise<readonly MovementRow[]> {
  const [version, holder] = before ?? [Number.MAX_SAFE_INTEGER, ''];
  const { rows } = await database.query<MovementRow>(readMovementsSql, [sku, version, holder, limit]);
  return rows;
}

export async function exportMovements(
  database: Queryable,
  kinds: readonly MovementKind[] | null,
  after: readonly [holder: string, sku: string, version: number],
  limit: number,
): Promise<readonly MovementRow[]> {
  const { rows } = await database.query<MovementRow>(
    `select ${movementColumns} from ${movementTables}
     where (m.holder, m.sku, m.version) > ($1, $2, $3) and ($4::text[] is null or m.kind = any ($4))
     order by m.holder, m.sku, m.version limit $5`,
    [...after, kinds, limit],
  );
  return rows;
}

export interface Totals {
  readonly skus: number;
  readonly received: number;
  readonly onHand: number;
  readonly held: number;
  readonly sold: number;
  readonly inTransfer: number;
  readonly writtenOff: number;
}

export async function readTotals(database: Queryable): Promise<Totals> {
  const { rows } = await database.query<Totals>(
    `select count(distinct sku)::bigint as skus, coalesce(sum(sent - arrived), 0)::bigint as "inTransfer", coalesce(sum(received), 0)::bigint as received,
       coalesce(sum(on_hand), 0)::bigint as "onHand", coalesce(sum(held), 0)::bigint as held,
       coalesce(sum(sold), 0)::bigint as sold, coalesce(sum(written_off), 0)::bigint as "writtenOff"
     from stock`,
  );
  return rows[0] as Totals;
}

/**
 * Rows that don't add up, against the journal of movements as well as within themselves: the check constraint makes the
 * second impossible, so this finds what happened behind the application's back.
 */
export async function readViolations(database: Queryable): Promise<readonly LevelRow[]> {
  const { rows } = await database.query<LevelRow>(
    `with journal as (
       select holder, sku, max(version) as version, count(*) as changes,
         sum(quantity) filter (where kind in ('receive', 'find')) as received
       from movement group by holder, sku)
     select sku, holder, stock.received, on_hand as "onHand", held, sold, written_off as "writtenOff", sent, arrived,
       stock.version
     from stock left join journal using (holder, sku)
     where stock.received + arrived <> stock.on_hand + stock.held + stock.sold + stock.written_off + sent
        or coalesce(journal.version, 0) <> stock.version or coalesce(journal.changes, 0) <> stock.version
        or coalesce(journal.received, 0) <> stock.received
     limit 100`,
  );
  return rows;
}
