import type { Queryable, Transaction } from '#kit/runtime';
import { allWritten, exactly, isInexact, isUniqueViolation, Overtaken } from '#kit/store';
import type { PaymentRecord, PaymentStatus, RefundRecord } from './model.ts';

const columns = `order_id as "orderId", status, amount_minor as "amountMinor", currency, method,
  provider_ref as "providerRef", captured_minor as "capturedMinor", refunded_minor as "refundedMinor", decline,
  (extract(epoch from now() - created_at) * 1000)::bigint as "ageMs"`;

export async function lockPayments(
  tx: Transaction,
  orderIds: readonly string[],
): Promise<ReadonlyMap<string, PaymentRecord>> {
  const { rows } = await tx.query<PaymentRecord>(
    `select ${columns} from payment where order_id = any ($1::text[]) order by order_id for update`,
    [orderIds],
  );
  return new Map(rows.map((row) => [row.orderId, row]));
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
  provider_ref as "providerRef", (extract(epoch from now() - created_at) * 1000)::bigint as "ageMs"`;

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
  from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[], $7::text[])
    as new (order_id, status, provider_ref, captured_minor, refunded_minor, decline, was)
  where payment.order_id = new.order_id and payment.status = new.was`;

/** Payments that were recalled, not locked. While `requested` or `authorized`, the status tells all that can change. */
const writeRecalledSql = exactly(writePaymentsSql, '$8');

const writeRefundsSql = `
  insert into refund (refund_id, order_id, amount_minor, status, provider_ref)
  select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
  on conflict (refund_id) do update set status = excluded.status, provider_ref = excluded.provider_ref`;

export interface PaymentChanges {
  readonly added: readonly PaymentRecord[];
  readonly changed: readonly { readonly payment: PaymentRecord; readonly was: PaymentStatus }[];
  readonly refunds: readonly RefundRecord[];
  /** Nothing was locked: the write itself has to find out whether the payments are as they were decided on. */
  readonly recalled: boolean;
}

/** The last that a transaction does. Throws `Overtaken` where a payment is not as it was decided on. */
export async function writePayments(tx: Transaction, changes: PaymentChanges): Promise<void> {
  const { added, changed, refunds, recalled } = changes;
  const writes: Promise<unknown>[] = [];
  // Whoever locks payments has those that are there before it adds others; of a payment that is added and moved on in one
  // batch, the row comes first.
  if (!recalled && added.length > 0) writes.push(addPayments(tx, added));
  if (changed.length > 0) {
    const payments = changed.map(({ payment }) => payment);
    const values = [
      payments.map((row) => row.orderId),
      payments.map((row) => row.status),
      payments.map((row) => row.providerRef),
      payments.map((row) => row.capturedMinor),
      payments.map((row) => row.refundedMinor),
      payments.map((row) => JSON.stringify(row.decline)),
      changed.map(({ was }) => was),
    ];
    writes.push(
      recalled ? tx.query(writeRecalledSql, [...values, changed.length]) : tx.query(writePaymentsSql, values),
    );
  }
  if (recalled && added.length > 0) writes.push(addPayments(tx, added));
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
  try {
    await allWritten(writes);
  } catch (error) {
    throw isInexact(error) ? new Overtaken('a payment was changed elsewhere at the same time') : error;
  }
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
