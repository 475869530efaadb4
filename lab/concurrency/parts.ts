import { claimKeys } from '#kit/idempotency';
import type { Transaction } from '#kit/runtime';
import { takeOverSagas } from '#kit/saga';
import { migrateWith } from '#kit/store';
import { createRelay } from '../../kit/messaging/relay.ts';
import { applyCommands } from '../../services/inventory/commands.ts';
import { applyShareCommands } from '../../services/inventory/shares.ts';

/** What a planted bug may put in place of the real thing. Everything else can be spoilt by rewriting its SQL. */
export interface Parts {
  readonly applyInventory: typeof applyCommands;
  readonly applyShares: typeof applyShareCommands;
  readonly claimKeys: typeof claimKeys;
  readonly createRelay: typeof createRelay;
  readonly takeOverSagas: typeof takeOverSagas;
  readonly migrateWith: typeof migrateWith;
  readonly appendToList: (tx: Transaction, key: string, element: number) => Promise<unknown>;
}

const appendSql = `
  insert into lab_list values ($1, array[$2::bigint])
  on conflict (key) do update set list = lab_list.list || excluded.list`;

export const realParts: Parts = {
  applyInventory: applyCommands,
  applyShares: applyShareCommands,
  claimKeys,
  createRelay,
  takeOverSagas,
  migrateWith,
  appendToList: (tx, key, element) => tx.query(appendSql, [key, element]),
};
