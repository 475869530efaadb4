import { foreignCursor, instantOf, pageFrom, pageSizeDefault, positionOf, timeAt } from '#contracts/common';
import {
  type Hold,
  type inventory,
  inventoryProblems,
  type Movement,
  type MovementKind,
  type ShareChange,
  type StockTaken,
} from '#contracts/inventory';
import type { Handlers } from '#kit/contract';
import { fingerprintOf } from '#kit/idempotency';
import type { Database } from '#kit/runtime';
import { type BatchWriter, readInParts } from '#kit/store';
import { readAlarms, setAlarm } from './alarms.ts';
import { type Command, type CommandResult, holdExpiryMsDefault } from './commands.ts';
import { outOfStock } from './model.ts';
import type { ShareCommand } from './shares.ts';
import {
  exportMovements,
  type LevelRow,
  type MovementRow,
  type OpenHoldRow,
  type Remarks,
  readAvailability,
  readLevels,
  readMovements,
  readOpenHolds,
  readTotals,
  readViolations,
} from './store.ts';

export function createHandlers(
  database: Database,
  writer: BatchWriter<Command, CommandResult>,
  shares: BatchWriter<ShareCommand, ShareChange>,
  holder: string,
): Handlers<typeof inventory> {
  async function holdReply(command: Command): Promise<{ status: 200; body: Hold }> {
    const { hold, stock } = await writer.submit(command);
    if (!hold) throw new Error('no hold came back');
    const { orderId, status, lines, shortages } = hold;
    if (command.kind === 'hold' && status === 'refused') throw outOfStock(shortages);
    return { status: 200, body: { orderId, status, lines: [...lines], stock: [...stock] } };
  }

  async function changed(command: Command & { key: string }): Promise<StockTaken> {
    const { stock, lines, replayed } = await writer.submit(command);
    const answer = { reference: command.key, stock: [...stock], ...(lines ? { lines } : {}) };
    return (replayed as StockTaken | undefined) ?? answer;
  }

  return {
    hold: ({ body }) =>
      holdReply({
        kind: 'hold',
        orderId: body.orderId,
        lines: body.lines,
        expiresInMs: body.expiresInMs ?? holdExpiryMsDefault,
      }),
    commit: ({ params }) => holdReply({ kind: 'commit', orderId: params.orderId }),
    release: ({ params }) => holdReply({ kind: 'release', orderId: params.orderId }),
    restock: async ({ body }) => {
      const { stock } = await writer.submit({ kind: 'restock', ...body });
      return { status: 200, body: { reference: body.returnId, stock: [...stock] } };
    },
    receive: async ({ body }, { idempotencyKey = '' }) => {
      const command = {
        kind: 'receive',
        ...claimOf(idempotencyKey, body),
        ...remarksOf(body),
        lines: body.lines,
      } as const;
      return { status: 201, body: await changed(command) };
    },
    adjust: async ({ body }, { idempotencyKey = '' }) => {
      const command = {
        kind: 'adjust',
        ...claimOf(idempotencyKey, body),
        ...remarksOf(body),
        changes: body.lines,
      } as const;
      return { status: 201, body: await changed(command) };
    },
    takeStock: async ({ body }, { idempotencyKey = '' }) => {
      const remarks = { ...remarksOf(body), reason: stockTakeReason };
      const command = { kind: 'take-stock', ...claimOf(idempotencyKey, body), ...remarks, lines: body.lines } as const;
      return { status: 201, body: await changed(command) };
    },
    transfer: async ({ body }, { idempotencyKey: reference = '' }) => {
      if (body.from === body.to) throw inventoryProblems['same-holder']();
      const command = { kind: 'transfer', reference, fingerprint: fingerprintOf(body), ...body } as const;
      return { status: 201, body: await shares.submit(command) };
    },
    sell: async ({ body }) => {
      const change = await shares.submit({ kind: 'sell', fingerprint: fingerprintOf(body), ...body });
      return { status: 200, body: change };
    },
    takeBack: async ({ body }) => {
      const change = await shares.submit({ kind: 'take-back', fingerprint: fingerprintOf(body), ...body });
      return { status: 200, body: change };
    },
    availability: async ({ query }) => {
      const known = new Map((await readAvailability(database, holder, query.sku)).map((row) => [row.sku, row]));
      const items = query.sku.map((sku) => known.get(sku) ?? { sku, available: 0, version: 0 });
      return { status: 200, body: { items } };
    },
    holds: async ({ query }) => {
      const { limit = pageSizeDefault, sku = null } = query;
      const after = positionOf(query.cursor, 'text', 'text');
      if (after && instantOf(after[0]) === undefined) throw foreignCursor();
      const rows = await readOpenHolds(database, after, limit + 1, sku);
      const body = pageFrom(rows, limit, ({ expiresAtExact, orderId }) => [expiresAtExact, orderId], holdView);
      return { status: 200, body };
    },
    levels: async ({ query }) => {
      const { limit = pageSizeDefault, cursor, sku = null, holder: of } = query;
      const after = positionOf(cursor, 'text', 'text') ?? ['', ''];
      const rows = await readLevels(database, after, limit + 1, sku, of);
      return { status: 200, body: pageFrom(rows, limit, (row) => [row.sku, row.holder]) };
    },
    exportLevels: async () => ({ status: 200, body: allLevels(database) }),
    movements: async ({ query }) => {
      const { limit = pageSizeDefault, cursor, sku } = query;
      const before = positionOf(cursor, 'number', 'text') ?? null;
      const rows = await readMovements(database, sku, before, limit + 1);
      return { status: 200, body: pageFrom(rows, limit, (row) => [row.version, row.holder], movementView) };
    },
    exportMovements: async ({ query }) => ({ status: 200, body: allMovements(database, query.kind ?? null) }),
    alarms: async ({ query }) => {
      const { limit = pageSizeDefault, cursor, low: onlyLow = false } = query;
      const [after = ''] = positionOf(cursor, 'text') ?? [];
      const rows = await readAlarms(database, { holder, after, onlyLow, limit: limit + 1 });
      return { status: 200, body: pageFrom(rows, limit, ({ sku }) => [sku]) };
    },
    setAlarm: async ({ params: { sku }, body }) => {
      const { lowAt = null, email = null } = body;
      await setAlarm(database, sku, lowAt, email);
      return { status: 200, body: { sku, ...body } };
    },
    conservation: async () => {
      const [totals, violations] = await Promise.all([readTotals(database), readViolations(database)]);
      return { status: 200, body: { ...totals, violations: [...violations] } };
    },
  };
}

/** Receipts and adjustments are the shop's, whoever of its staff books them; their keys are the references of movements. */
const claimOf = (key: string, body: unknown) => ({ scope: 'stock', key, fingerprint: fingerprintOf(body) });
/** Of the movements that a stock-take makes. */
const stockTakeReason = 'stock-take';

function remarksOf(body: { readonly reason?: string; readonly note?: string; readonly occurredAt?: string }): Remarks {
  const { reason = null, note = null, occurredAt } = body;
  return { reason, note, occurredAtMs: occurredAt === undefined ? null : timeAt('/occurredAt', occurredAt) };
}

function holdView({ orderId, holder, lines, createdAt, expiresAt }: OpenHoldRow) {
  return {
    orderId,
    holder,
    lines: lines.map(([sku, quantity]) => ({ sku, quantity })),
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  };
}

function movementView({ at, reason, note, occurredAt, ...row }: MovementRow): Movement {
  return {
    ...row,
    at: at.toISOString(),
    ...(reason === null ? {} : { reason }),
    ...(note === null ? {} : { note }),
    ...(occurredAt === null ? {} : { occurredAt: occurredAt.toISOString() }),
  };
}

function allLevels(database: Database): AsyncIterable<LevelRow> {
  return readInParts((last, limit) => readLevels(database, last ? [last.sku, last.holder] : ['', ''], limit, null));
}

async function* allMovements(database: Database, kinds: readonly MovementKind[] | null): AsyncIterable<Movement> {
  const rows = readInParts<MovementRow>((last, limit) =>
    exportMovements(database, kinds, last ? [last.holder, last.sku, last.version] : ['', '', 0], limit),
  );
  for await (const row of rows) yield movementView(row);
}
