import type { MovementKind, ShareChange } from '#contracts/inventory';
import type { Transaction } from '#kit/runtime';
import { isUniqueViolation, Overtaken } from '#kit/store';
import type { Stock } from './model.ts';

/** A SKU at one holder, with what went to and came from others. */
export interface Share extends Stock {
  readonly holder: string;
  sent: number;
  arrived: number;
}

const addSharesSql = `
  insert into stock (holder, sku) select distinct holder, sku from unnest($1::text[], $2::text[]) as new (holder, sku)
  order by holder, sku on conflict do nothing`;

const lockSharesSql = `
  select holder, sku, received, on_hand as "onHand", held, sold, written_off as "writtenOff", sent, arrived, version
  from stock where (holder, sku) in (select * from unnest($1::text[], $2::text[]))
  order by holder, sku for update`;

/** Reads and locks shares, those that are new with nothing in them. Rows are locked in the order of their keys. */
export async function lockShares(
  tx: Transaction,
  places: readonly { readonly holder: string; readonly sku: string }[],
): Promise<readonly Share[]> {
  if (places.length === 0) return [];
  const values = [places.map(({ holder }) => holder), places.map(({ sku }) => sku)];
  const [, { rows }] = await Promise.all([tx.query(addSharesSql, values), tx.query<Share>(lockSharesSql, values)]);
  return rows;
}

const writeSharesSql = `
  update stock set received = new.received, on_hand = new.on_hand, sold = new.sold, written_off = new.written_off,
    sent = new.sent, arrived = new.arrived, version = new.version
  from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[]) as new (holder, sku, received, on_hand, sold, written_off, sent, arrived, version)
  where stock.holder = new.holder and stock.sku = new.sku`;

export async function writeShares(tx: Transaction, shares: readonly Share[]): Promise<void> {
  if (shares.length === 0) return;
  await tx.query(writeSharesSql, [
    shares.map((row) => row.holder),
    shares.map((row) => row.sku),
    shares.map((row) => row.received),
    shares.map((row) => row.onHand),
    shares.map((row) => row.sold),
    shares.map((row) => row.writtenOff),
    shares.map((row) => row.sent),
    shares.map((row) => row.arrived),
    shares.map((row) => row.version),
  ]);
}

export interface ShareMovement {
  readonly holder: string;
  readonly sku: string;
  readonly version: number;
  readonly kind: MovementKind;
  readonly quantity: number;
  readonly reference: string;
}

export async function addShareMovements(tx: Transaction, movements: readonly ShareMovement[]): Promise<void> {
  if (movements.length === 0) return;
  await tx.query(
    `insert into movement (holder, sku, version, kind, quantity, reference)
     select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[])`,
    [
      movements.map((row) => row.holder),
      movements.map((row) => row.sku),
      movements.map((row) => row.version),
      movements.map((row) => row.kind),
      movements.map((row) => row.quantity),
      movements.map((row) => row.reference),
    ],
  );
}

export interface KnownShareChange {
  readonly kind: string;
  readonly fingerprint: string;
  readonly result: ShareChange;
}

export async function knownShareChanges(
  tx: Transaction,
  references: readonly string[],
): Promise<Map<string, KnownShareChange>> {
  if (references.length === 0) return new Map();
  const { rows } = await tx.query<KnownShareChange & { readonly reference: string }>(
    'select reference, kind, fingerprint, result from share_change where reference = any ($1::text[])',
    [references],
  );
  return new Map(rows.map((row) => [row.reference, row]));
}

export async function addShareChanges(
  tx: Transaction,
  changes: readonly (KnownShareChange & { readonly reference: string })[],
): Promise<void> {
  if (changes.length === 0) return;
  try {
    await tx.query(
      `insert into share_change (reference, kind, fingerprint, result)
       select * from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[])`,
      [
        changes.map((row) => row.reference),
        changes.map((row) => row.kind),
        changes.map((row) => row.fingerprint),
        changes.map((row) => JSON.stringify(row.result)),
      ],
    );
  } catch (error) {
    // Another instance was told of one of these after we looked: decide again on what it left.
    throw isUniqueViolation(error) ? new Overtaken('a change of shares was made elsewhere at the same time') : error;
  }
}
