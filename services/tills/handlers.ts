import { hash } from 'node:crypto';
import type { PricingRules } from '#contracts/carts';
import { amountMinorMax, instantOf, pageFrom, pageSizeDefault, positionOf } from '#contracts/common';
import { idLetters } from '#contracts/ids';
import type { inventory } from '#contracts/inventory';
import type { payments } from '#contracts/payments';
import type { products } from '#contracts/products';
import { cardSums, reportOf, unitsOf } from '#contracts/till-journal';
import { type JournalEntry, type Report, type SaleEntry, type Till, type tills, tillsProblems } from '#contracts/tills';
import {
  type CallContext,
  type Client,
  contractProblems,
  type Handlers,
  invalidInput,
  type ProblemPlace,
} from '#kit/contract';
import { claimKeys, completeKeys, fingerprintOf } from '#kit/idempotency';
import type { Database, World } from '#kit/runtime';
import { receiptEvent } from './events.ts';
import { type Publish, recordEntries } from './journal.ts';
import { saleView, type TillRecord } from './model.ts';
import { type createSettlement, paymentIdOf } from './settle.ts';
import {
  changeTill,
  conflictsAt,
  conflictView,
  enrolDevice,
  insertTill,
  lastSeq,
  listConflicts,
  listSessions,
  listTills,
  missingSeqs,
  readReturns,
  readSales,
  readSession,
  readTill,
  revokeDevice,
  setCode,
  tillOfDevice,
  unsettled,
  wantReceipt,
} from './store.ts';

export interface HandlerOptions {
  readonly world: World;
  readonly database: Database;
  readonly inventory: Client<typeof inventory>;
  readonly payments: Client<typeof payments>;
  readonly products: Client<typeof products>;
  readonly publish: Publish;
  /** Told after a commit that published something: to wake the relay. */
  readonly onPublished: () => void;
  readonly rules: (context: CallContext) => Promise<PricingRules>;
  readonly settlement: ReturnType<typeof createSettlement>;
}

const codeLifeMs = 15 * 60_000;
const sessionsMax = 50;
const missingMax = 100;
const sharePageSize = 100;
const unsettledMax = 10_000;
/** Of the 5 s of a pack: without its share it is still the way to sell, and to charge cards. */
const shareTimeoutMs = 3_000;
/** SKUs that a device takes along. */
const shareMax = 20_000;

export function createHandlers(options: HandlerOptions): Handlers<typeof tills> {
  const { world, database, inventory, payments, products, rules, settlement, publish, onPublished } = options;
  const { clock, ids, log } = world;
  const asTills = (context: CallContext): CallContext => ({ ...context, caller: { kind: 'service', id: 'tills' } });

  /** Eight characters of Crockford base 32: forty bits of chance, for a quarter of an hour. */
  async function newCode(tillId: string): Promise<{ code: string; expiresAt: string }> {
    const letters = [...world.random.bytes(8)].map((byte) => idLetters[byte % idLetters.length]).join('');
    const code = `${letters.slice(0, 4)}-${letters.slice(4)}`;
    const expiresAt = await setCode(database, tillId, hashOf(code), codeLifeMs);
    if (!expiresAt) throw tillsProblems['not-found']();
    return { code, expiresAt: expiresAt.toISOString() };
  }

  /** The till whose device sent this request. */
  async function ofDevice({ headers }: CallContext): Promise<{ till: TillRecord; keyHash: string }> {
    const [tillId = '', secret] = (headers['till-key'] ?? '').split('.');
    if (secret === undefined) throw tillsProblems['device-refused']({ detail: 'there is no header till-key' });
    const keyHash = hashOf(secret);
    const till = await tillOfDevice(database, tillId, keyHash);
    if (!till) throw tillsProblems['device-refused']();
    return { till, keyHash };
  }

  /** Undefined while inventory does not answer. */
  async function shareOf(tillId: string, context: CallContext) {
    // What inventory has not heard of is sold all the same. Read first: told meanwhile, it is taken off twice, never not.
    const untold = unitsOf(
      (await unsettled(database, tillId, unsettledMax)).flatMap(({ body }) => (body.kind === 'sale' ? body.lines : [])),
    );
    try {
      const levels = await levelsOf(tillId, context);
      return levels.map(({ sku, onHand }) => ({ sku, onHand: onHand - (untold.get(sku) ?? 0) }));
    } catch (error) {
      log.info('a till goes on with the share that it knows', { till: tillId, error });
      return undefined;
    }
  }

  async function levelsOf(holder: string, context: CallContext) {
    const deadlineAtMs = Math.min(context.deadlineAtMs, clock.monotonicMs() + shareTimeoutMs);
    const levels: { sku: string; onHand: number }[] = [];
    let cursor: string | undefined;
    do {
      const query = { holder, limit: sharePageSize, cursor };
      const { body } = await inventory.levels({ query }, { ...asTills(context), deadlineAtMs });
      levels.push(...body.items);
      cursor = body.nextCursor;
    } while (cursor !== undefined && levels.length < shareMax);
    return levels;
  }

  async function reportFor(till: TillRecord, sessionId: string): Promise<Report> {
    const [entries, missing] = await Promise.all([
      readSession(database, till.id, sessionId),
      missingSeqs(database, till.id, missingMax),
    ]);
    if (entries.length === 0) throw tillsProblems['not-found']({ detail: `nothing is known of ${sessionId}` });
    return reportOf(till, sessionId, entries, missing);
  }

  return {
    create: async ({ body }, context) => {
      const { caller, idempotencyKey: key = '' } = context;
      const id = ids.next('till');
      const claim = { scope: `tills.create ${caller.id}`, key, fingerprint: fingerprintOf(body), reference: id };
      const tillId = await database.transaction(async (tx) => {
        const [state] = await claimKeys(tx, [claim]);
        if (state?.state === 'mismatch') throw contractProblems['idempotency-key-reused']();
        if (state?.state === 'done') return (state.result as { id: string }).id;
        if (state?.state !== 'claimed') throw contractProblems['idempotency-key-in-flight']();
        await Promise.all([insertTill(tx, { id, ...body }), completeKeys(tx, [{ ...claim, result: { id } }])]);
        if (body.offline) await changeTill(tx, id, { offline: body.offline });
        return id;
      });
      const { code } = await newCode(tillId);
      const till = (await readTill(database, tillId)) as TillRecord;
      return { status: 201, body: { till: tillView(till), code } };
    },
    list: async ({ query }) => {
      const { limit = pageSizeDefault, cursor } = query;
      const [after = ''] = positionOf(cursor, 'text') ?? [];
      const rows = await listTills(database, after, limit + 1);
      return { status: 200, body: pageFrom(rows, limit, ({ id }) => [id], tillView) };
    },
    change: async ({ params, body }) => {
      const till = await changeTill(database, params.tillId, body);
      if (!till) throw tillsProblems['not-found']();
      return { status: 200, body: tillView(till) };
    },
    newCode: async ({ params }) => ({ status: 201, body: await newCode(params.tillId) }),
    revoke: async ({ params }) => {
      const till = await revokeDevice(database, params.tillId);
      if (!till) throw tillsProblems['not-found']();
      return { status: 200, body: tillView(till) };
    },
    enrol: async ({ body }) => {
      const secret = Buffer.from(world.random.bytes(32)).toString('base64url');
      const till = await enrolDevice(database, hashOf(body.code), body.device, hashOf(secret));
      if (!till) throw tillsProblems['code-refused']();
      return { status: 201, body: { till: tillView(till), key: `${till.id}.${secret}` } };
    },
    pack: async (_input, context) => {
      const { till } = await ofDevice(context);
      const [seq, share, known] = await Promise.all([
        lastSeq(database, till.id),
        shareOf(till.id, context),
        rules(asTills(context)),
      ]);
      const body = { till: tillView(till), lastSeq: seq, rules: known };
      return { status: 200, body: share ? { ...body, share } : body };
    },
    catalogue: async ({ query }, context) => {
      const { till } = await ofDevice(context);
      const wanted = { holder: till.id, limit: sharePageSize, cursor: query.cursor };
      const { body } = await inventory.levels({ query: wanted }, asTills(context));
      const skus = body.items.map(({ sku }) => sku);
      const labels = await products.labels({ body: { skus, currency: till.currency } }, asTills(context));
      const items = labels.body.items.map(({ amountMinor, ...label }) => ({ ...label, unitPriceMinor: amountMinor }));
      return { status: 200, body: { items, ...(body.nextCursor ? { nextCursor: body.nextCursor } : {}) } };
    },
    restock: async ({ params, body }, context) => {
      const till = await readTill(database, params.tillId);
      if (!till) throw tillsProblems['not-found']();
      const [from, to] = body.direction === 'in' ? ['main', till.id] : [till.id, 'main'];
      const key = hashOf(`${till.id} ${context.idempotencyKey}`).slice(0, 40);
      const moved = await inventory.transfer({ key, body: { from, to, lines: body.lines } }, asTills(context));
      const share = moved.body.stock.filter(({ holder }) => holder === till.id);
      return { status: 201, body: { share: share.map(({ sku, available: onHand }) => ({ sku, onHand })) } };
    },
    charge: async ({ body }, context) => {
      const { till } = await ofDevice(context);
      const { saleId, amountMinor, method, card } = body;
      const orderId = paymentIdOf(saleId, card);
      const wanted = { orderId, amountMinor, currency: till.currency, method };
      await payments.authorize({ key: `${orderId}:authorize`, body: wanted }, asTills(context));
      const { body: payment } = await payments.capture(
        { key: `${orderId}:capture`, params: { orderId } },
        asTills(context),
      );
      return { status: 200, body: { saleId, chargedMinor: payment.capturedMinor } };
    },
    voidCharge: async ({ params, query }, context) => {
      await ofDevice(context);
      const { saleId } = params;
      const { card = 1 } = query;
      const [sale] = await readSales(database, [saleId]);
      if (sale && cardSums((sale.body as SaleEntry).tenders).has(card)) throw tillsProblems['sale-made']();
      const orderId = paymentIdOf(saleId, card);
      await payments.void({ key: `${orderId}:void`, params: { orderId } }, asTills(context));
      return { status: 200, body: { saleId } };
    },
    record: async ({ body }, context) => {
      const { till, keyHash } = await ofDevice(context);
      checkEntries(body.entries);
      const known = await rules(asTills(context));
      const { entries } = await recordEntries(database, till, keyHash, body.entries, known, publish);
      if (entries.some(({ isNew }) => isNew)) onPublished();
      // Stock and cards hear of it at once when they can; else it is told them later.
      await settlement.settleTill(till.id, asTills(context)).catch((error) => {
        log.info('a till’s entries will be settled later', { till: till.id, error });
      });
      const seqs = entries.map(({ seq }) => seq);
      const [rows, seq] = await Promise.all([conflictsAt(database, till.id, seqs), lastSeq(database, till.id)]);
      return { status: 200, body: { entries: [...entries], conflicts: rows.map(conflictView), lastSeq: seq } };
    },
    getSale: async ({ params }, context) => {
      if (context.caller.kind !== 'staff' && context.caller.kind !== 'admin') await ofDevice(context);
      const [sale] = await readSales(database, [params.saleId]);
      if (!sale) throw tillsProblems['not-found']({ detail: `${params.saleId} is not known` });
      const { sessionId } = sale.body as SaleEntry;
      const [returns, session] = await Promise.all([
        readReturns(database, [params.saleId]),
        readSession(database, sale.tillId, sessionId),
      ]);
      const opened = session.find(({ body }) => body.kind === 'open')?.body;
      return { status: 200, body: saleView(sale, returns, opened?.kind === 'open' ? opened.cashier : undefined) };
    },
    mailReceipt: async ({ params, body }, context) => {
      const { till } = await ofDevice(context);
      const [sale] = await readSales(database, [params.saleId]);
      if (!sale) throw tillsProblems['not-found']({ detail: `${params.saleId} is not known` });
      const seller = sale.tillId === till.id ? till : ((await readTill(database, sale.tillId)) as TillRecord);
      await database.transaction(async (tx) => {
        if (await wantReceipt(tx, params.saleId, body.email))
          await publish(tx, [receiptEvent(seller, sale, body.email)]);
      });
      onPublished();
      return { status: 202, body: { saleId: params.saleId } };
    },
    report: async ({ params }, context) => {
      const { till } = await ofDevice(context);
      if (till.id !== params.tillId) throw tillsProblems['not-found']();
      return { status: 200, body: await reportFor(till, params.sessionId) };
    },
    sessions: async ({ params }) => {
      const till = await readTill(database, params.tillId);
      if (!till) throw tillsProblems['not-found']();
      const sessionIds = await listSessions(database, till.id, sessionsMax);
      const items: Report[] = [];
      for (const sessionId of sessionIds) items.push(await reportFor(till, sessionId));
      return { status: 200, body: { items } };
    },
    conflicts: async ({ query }) => {
      const { limit = pageSizeDefault, cursor } = query;
      const [before = null] = positionOf(cursor, 'number') ?? [];
      const rows = await listConflicts(database, before, limit + 1);
      return { status: 200, body: pageFrom(rows, limit, ({ id }) => [id], conflictView) };
    },
  };
}

/** Of codes and secrets, all of them chance: a plain hash keeps them from whoever reads the database. */
const hashOf = (secret: string): string => hash('sha256', secret, 'base64url');

function tillView(till: TillRecord): Till {
  const { id, name, currency, country, state, device, lastSeenAt, createdAt, amountMinorMax, ageMsMax } = till;
  return {
    id,
    name,
    currency,
    country,
    state,
    offline: { amountMinorMax, ageMsMax },
    ...(device === null ? {} : { device }),
    ...(lastSeenAt === null ? {} : { lastSeenAt: lastSeenAt.toISOString() }),
    createdAt: createdAt.toISOString(),
  };
}

/** What is no fact but a mistake of the device's program, and could be neither booked nor told to anyone. */
function checkEntries(entries: readonly JournalEntry[]): void {
  const wrong = entries.flatMap((entry, i) => {
    const places: ProblemPlace[] = [];
    if (instantOf(entry.at) === undefined) {
      places.push({ pointer: `/entries/${i}/at`, detail: 'is not an RFC 3339 time' });
    }
    const goods = entry.kind === 'sale' ? entry.lines : [];
    const sumMinor = goods.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0);
    if (sumMinor > amountMinorMax) {
      places.push({ pointer: `/entries/${i}/lines`, detail: `come to more than ${amountMinorMax}` });
    }
    return places;
  });
  if (wrong.length > 0) throw invalidInput(wrong);
}
