import { idempotencyMigrations } from '#kit/idempotency';
import { inboxMigrations, logMigrations, outboxMigrations } from '#kit/messaging';
import { sagaMigrations } from '#kit/saga';
import type { Migrations } from '#kit/store';
import { inventoryMigrations } from '#services/inventory';
import { ordersMigrations } from '#services/orders';
import { paymentsMigrations } from '#services/payments';
import { usersMigrations } from '#services/users';

/** All that any workload needs, in one database: sequences that several services share run once. */
export const allMigrations: readonly Migrations[] = [
  ...new Set([
    idempotencyMigrations,
    outboxMigrations,
    logMigrations,
    inboxMigrations,
    sagaMigrations,
    ...inventoryMigrations,
    ...ordersMigrations,
    ...paymentsMigrations,
    ...usersMigrations,
  ]),
];
