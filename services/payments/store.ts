import type { Queryable, Transaction } from '#kit/runtime';
import { isUniqueViolation, Overtaken } from '#kit/store';
import type { PaymentRecord, RefundRecord } from './model.ts';

const columns = `order_id as "orderId", status, amount_minor as "amountMinor", currency, method,
  provider_ref as "providerRef", captured_minor as "capturedMinor", refunded_minor as "refundedMinor", decline,
  (extract(epoch from now() - created_at) * 1000)::bigint as "ageMs"`;

export async function lockPayments(tx: Transaction, orderIds: readonly string[]): Promise<readonly PaymentRecord[]> {
  const { rows } = await tx.query<PaymentRecord>(
    `select ${columns} from payment where order_id = any ($1::text[]) order by order_id for update`,
    [orderIds],
  );
  return rows;
}

export async function readPayment(database: Queryable, orderId: string): Promise<PaymentRecord | undefined> {
  const { rows } = await database.query<PaymentRecord>(`select ${columns} from payment where order_id = $1`, [orderId]);
  return rows[0];
}

export async function readPaymentsOf(
  database: Queryable,
  orderIds: readonly string[],
): Promise<ReadonlyMap<string, PaymentRecord>> {
  const { rows } = await database.query<PaymentRecord>(
    `select ${columns} from payment where order_id = any ($1::text[])`,
    [orderIds],
  );
  return new Map(rows.map((row) => [row.orderId, row]));
}

const refundColumns = `refund_id as "refundId", order_id as "orderId", amount_minor as "amountMinor", status,
  provider_ref as "providerRef"`;

export async function readRefunds(tx: Queryable, refundIds: readonly string[]): Promise<readonly RefundRecord[]> {
  if (refundIds.length === 0) return [];
  const { rows } = await tx.query<RefundRecord>(
    `select ${refundColumns} from refund where refund_id = any ($1::text[])`,
    [refundIds],
  );
  return rows;
}

const addPaymentsSql = `
  insert into payment (order_id, status, amount_minor, currency, method, provider_ref)
  select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])`;

const writePaymentsSql = `
  update payment set status = new.status, provider_ref = new.provider_ref, captured_minor = new.captured_minor,
    refunded_minor = new.refunded_minor, decline = nullif(new.decline, 'null')
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[])
    as new (order_id, status, provider_ref, captured_minor, refunded_minor, decline)
  where payment.order_id = new.order_id`;

const writeRefundsSql = `
  insert into refund (refund_id, order_id, amount_minor, status, provider_ref)
  select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
  on conflict (refund_id) do update set status = excluded.status, provider_ref = excluded.provider_ref`;

export interface PaymentChanges {
  readonly added: readonly PaymentRecord[];
  readonly changed: readonly PaymentRecord[];
  readonly refunds: readonly RefundRecord[];
}

/** The last that a transaction does. */
export async function writePayments(tx: Transaction, { added, changed, refunds }: PaymentChanges): Promise<void> {
  const writes: Promise<unknown>[] = [];
  if (added.length > 0) writes.push(addPayments(tx, added));
  if (changed.length > 0) {
    writes.push(
      tx.query(writePaymentsSql, [
        changed.map((row) => row.orderId),
        changed.map((row) => row.status),
        changed.map((row) => row.providerRef),
        changed.map((row) => row.capturedMinor),
        changed.map((row) => row.refundedMinor),
        changed.map((row) => JSON.stringify(row.decline)),
      ]),
    );
  }
  if (refunds.length > 0) {
    writes.push(
      tx.query(writeRefundsSql, [
        refunds.map((row) => row.refundId),
        refunds.map((row) => row.orderId),
        refunds.map((row) => row.amountMinor),
        refunds.map((row) => row.status),
        refunds.map((row) => row.providerRef),
      ]),
    );
  }
  tx.seal();
  await Promise.all(writes);
}

async function addPayments(tx: Transaction, added: readonly PaymentRecord[]): Promise<void> {
  try {
    await tx.query(addPaymentsSql, [
      added.map((row) => row.orderId),
      added.map((row) => row.status),
      added.map((row) => row.amountMinor),
      added.map((row) => row.currency),
      added.map((row) => row.method),
      added.map((row) => row.providerRef),
    ]);
  } catch (error) {
    throw isUniqueViolation(error) ? new Overtaken('a payment was recorded elsewhere at the same time') : error;
  }
}

export interface ExportRow {
  readonly orderId: string;
  readonly status: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly createdAt: Date;
}

export async function readPayments(database: Queryable, after: string, limit: number): Promise<readonly ExportRow[]> {
  const { rows } = await database.query<ExportRow>(
    `select order_id as "orderId", status, amount_minor as "amountMinor", currency, captured_minor as "capturedMinor",
       refunded_minor as "refundedMinor", created_at as "createdAt"
     from payment where order_id > $1 order by order_id limit $2`,
    [after, limit],
  );
  return rows;
}
