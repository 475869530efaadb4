import { pageFrom, pageSizeDefault, positionOf, timeAt } from '#contracts/common';
import { type OrderState, type orders, ordersProblems, type PlaceOrder } from '#contracts/orders';
import {
  type CallContext,
  contractProblems,
  type Handlers,
  isProblem,
  problemFromReply,
  waitUntilMs,
} from '#kit/contract';
import { type Claim, type ClaimState, fingerprintOf, readClaim } from '#kit/idempotency';
import type { Database, World } from '#kit/runtime';
import type { SagaDefinition, SagaEngine, SagaRecord } from '#kit/saga';
import { readInParts, until } from '#kit/store';
import type { Answers, ClaimedKey } from './answers.ts';
import type { Command, CommandResult, Publishing, Replay } from './commands.ts';
import { createFollowers } from './follow.ts';
import type { Fulfilment } from './fulfil.ts';
import {
  type Change,
  checkBounds,
  checkSize,
  goodsOf,
  needsStaff,
  type OrderRecord,
  type PricedSku,
  priceLines,
  skusToPrice,
  totalOf,
} from './model.ts';
import { createSagaHandlers } from './saga-handlers.ts';
import type { ChangeOrderInput, OrderSagas, Origin } from './sagas.ts';
import { exportOrders, findImported, listOrders, type OrderWithProgress, readOrder, readOrders } from './store.ts';
import { viewOf } from './view.ts';

/** Names and prices of SKUs in a currency; those that are not sold in it are left out. */
export type PriceOf = (
  skus: readonly string[],
  currency: string,
  context: CallContext,
) => Promise<ReadonlyMap<string, PricedSku>>;

export interface HandlerOptions {
  readonly world: World;
  readonly database: Database;
  /** Resolves once the command is committed. */
  readonly submit: (command: Command) => Promise<CommandResult>;
  readonly engine: SagaEngine;
  readonly sagas: OrderSagas;
  readonly answers: Answers;
  readonly priceOf: PriceOf;
  readonly publishing: Publishing;
}

const exportPageSize = 500;

type Decided<Status extends number> =
  | { readonly status: Status; readonly body: ReturnType<typeof viewOf> }
  | {
      readonly status: 202;
      readonly headers: Record<string, string>;
      readonly body: { id: string; state: OrderState };
    };

export function createHandlers(options: HandlerOptions): Handlers<typeof orders> {
  const { world, database, submit, engine, sagas, answers, priceOf, publishing } = options;
  const { clock, timers, ids } = world;
  /** Of an order that is placed here the saga itself knows, before what it has done is written. */
  const stepOf = (orderId: string, written: number | undefined) => engine.peek(orderId)?.step ?? written;
  const followers = createFollowers({
    clock,
    timers,
    async read(orderIds) {
      const found = await readOrders(database, orderIds);
      return new Map(found.map(({ order, sagaStep }) => [order.id, viewOf(order, stepOf(order.id, sagaStep))]));
    },
  });

  async function place(body: PlaceOrder, context: CallContext): Promise<Decided<201>> {
    if (!engine.canStart) throw ordersProblems.overloaded();
    checkPermitted(body, context);
    const key = context.idempotencyKey ?? '';
    const earlier = { scope: placeScopeOf(body, context), key, fingerprint: fingerprintOf(body) };
    let order: OrderRecord;
    try {
      order = await pricedOrder(body, context);
    } catch (error) {
      return answer(await answerUnpriced(error, body, earlier), context, 201, earlier);
    }
    const { totalMinor } = order;
    const saga = engine.create(sagas.placeOrder, order.id, {
      orderId: order.id,
      goods: goodsOf(order.lines),
      amountMinor: totalMinor,
      currency: order.currency,
      method: body.payment.method,
      origin: originOf(context),
    });
    const claim = { ...earlier, reference: order.id };
    const result = await submit({ kind: 'place', claim, order, saga, cause: context });
    return answer(result, context, 201, claim);
  }

  /**
   * An order that was accepted stays so whatever its goods cost by now: a refusal would have it placed and paid a second time.
   * So would one that is told beside an earlier request under the same key, which learnt other prices and is not heard of yet:
   * what is refused for the catalogue's sake is the answer of its key.
   */
  async function answerUnpriced(error: unknown, body: PlaceOrder, claim: Claim): Promise<CommandResult> {
    const isFinal = isProblem(error) && error.retry === 'never' && error.category !== 'internal';
    // What depends on nothing but the body is told to everyone. Imports are mended and come again under their keys.
    if (isFinal && body.channel !== 'import' && skusToPrice(body.lines).length > 0) {
      return submit({ kind: 'refuse', claim, refusal: { status: error.status, body: error.toJSON() } });
    }
    const known = await readClaim(database, claim);
    if (!known) throw error;
    return resultOf(known);
  }

  async function pricedOrder(body: PlaceOrder, context: CallContext): Promise<OrderRecord> {
    const toPrice = skusToPrice(body.lines);
    const prices = toPrice.length > 0 ? await priceOf(toPrice, body.currency, context) : new Map<string, PricedSku>();
    const order = orderFrom(body, context, prices);
    const { totalMinor } = order;
    if (body.expectedTotalMinor !== undefined && body.expectedTotalMinor !== totalMinor) {
      const detail = `the total is ${totalMinor}, not ${body.expectedTotalMinor}`;
      throw ordersProblems['price-changed']({ detail, data: { totalMinor } });
    }
    return order;
  }

  function orderFrom(body: PlaceOrder, context: CallContext, prices: ReadonlyMap<string, PricedSku>): OrderRecord {
    const { caller, idempotencyKey = '' } = context;
    const email = body.email.toLowerCase();
    const lines = priceLines(body.lines, prices, body.currency);
    checkBounds(lines);
    checkSize(lines);
    return {
      id: ids.next('ord'),
      customerId: caller.kind === 'customer' ? caller.id : (body.customerId ?? null),
      email,
      channel: body.channel ?? 'web',
      currency: body.currency,
      totalMinor: totalOf(lines),
      country: body.country ?? body.shippingAddress?.country ?? null,
      lines,
      shippingAddress: body.shippingAddress ?? null,
      state: 'received',
      reason: null,
      refundedMinor: 0,
      returns: [],
      refunds: [],
      cancellation: null,
      shipments: null,
      scope: placeScopeOf(body, context),
      businessKey: idempotencyKey,
      placedAtMs: body.placedAt === undefined ? clock.now() : timeAt('/placedAt', body.placedAt),
      decidedAtMs: null,
      hlc: null,
    };
  }

  /** Starts a change of a decided order: checked against it, set aside in it, then carried out by a saga. */
  async function change(
    orderId: string,
    definition: SagaDefinition<ChangeOrderInput>,
    wanted: Change,
    payload: unknown,
    context: CallContext,
  ): Promise<Decided<200>> {
    if (!engine.canStart) throw ordersProblems.overloaded();
    const { order: known } = await visibleOrder(orderId, context);
    const { changeId, kind, key } = wanted;
    const scope = known.channel === 'import' && isStaff(context) ? importScope : scopeOf(context, orderId);
    const claim = { scope, key, fingerprint: fingerprintOf([definition.name, orderId, payload]), reference: changeId };
    const makeSaga = (order: OrderRecord, refundMinor: number): SagaRecord =>
      engine.create(definition, changeId, {
        orderId,
        changeId,
        kind,
        refundMinor,
        lines: wanted.kind === 'return' ? wanted.lines : goodsOf(order.lines),
        sellable: wanted.kind === 'return' ? wanted.sellable : true,
        claim: { scope, key },
        origin: originOf(context),
      });
    const result = await submit({ kind: 'start-change', claim, orderId, change: wanted, makeSaga });
    return answer(result, context, 200, claim, orderId);
  }

  /** What is done in one commit, with nobody else to be asked. */
  async function fulfil(
    orderId: string,
    reference: string,
    fulfilment: Fulfilment,
    payload: unknown,
    context: CallContext,
  ): Promise<Extract<Decided<200>, { status: 200 }>> {
    await visibleOrder(orderId, context);
    const { idempotencyKey: key = '' } = context;
    const fingerprint = fingerprintOf([fulfilment.kind, orderId, payload]);
    const claim = { scope: scopeOf(context, orderId), key, fingerprint, reference };
    const result = await submit({ kind: 'fulfil', claim, orderId, fulfilment, cause: context });
    if (!('replay' in result)) throw contractProblems['idempotency-key-in-flight']();
    return result.replay as Extract<Decided<200>, { status: 200 }>;
  }

  /** What all changes have in common. */
  function changeFrom(
    changeId: string,
    body: { readonly reason?: string; readonly occurredAt?: string },
    context: CallContext,
  ): Pick<Change, 'changeId' | 'key' | 'reason' | 'occurredAt'> {
    if (body.occurredAt !== undefined && !isStaff(context) && context.caller.kind !== 'service') {
      throw ordersProblems['not-permitted']({ detail: 'occurredAt is for staff' });
    }
    const atMs = body.occurredAt === undefined ? clock.now() : timeAt('/occurredAt', body.occurredAt);
    const occurredAt = new Date(atMs).toISOString();
    return { changeId, key: context.idempotencyKey ?? '', reason: body.reason ?? '', occurredAt };
  }

  /** Runs what was accepted, or joins whoever runs it; when the caller's time is up it says where to look. */
  async function answer<Status extends number>(
    result: CommandResult,
    context: CallContext,
    status: Status,
    claim: ClaimedKey,
    changedOrderId?: string,
  ): Promise<Decided<Status>> {
    if ('replay' in result) return told(result.replay);
    let sagaId: string | undefined;
    if ('saga' in result) {
      sagaId = result.saga.id;
      answers.expect(sagaId);
      // Settling comes first where the saga decides; this is for one that was taken over by another instance.
      void engine.run(result.saga).then(({ id }) => answers.settle(id, undefined));
    } else if ('waitFor' in result) sagaId = result.waitFor;
    if (sagaId === undefined) throw contractProblems['idempotency-key-in-flight']();
    const orderId = changedOrderId ?? sagaId;
    const untilMs = waitUntilMs(context, clock.monotonicMs());
    const outcome = await answers.wait(sagaId, claim, untilMs, context.signal);
    if (outcome && 'replay' in outcome) return told(outcome.replay);
    if (outcome) return { status, body: viewOf(outcome.order) };
    return { status: 202, headers: { location: `/orders/${orderId}` }, body: { id: orderId, state: 'received' } };
  }

  async function visibleOrder(orderId: string, context: CallContext): Promise<OrderWithProgress> {
    const found = await readOrder(database, orderId);
    const { kind, id } = context.caller;
    const owner = found?.order.customerId ?? null;
    // An order of a guest is shown to whoever knows its id: eighty random bits that only the guest was given.
    const visible = isStaff(context) || kind === 'service' || owner === null || owner === id;
    if (!found || !visible) throw ordersProblems['not-found']();
    return found;
  }

  return {
    ...createSagaHandlers(database, sagas, publishing),
    place: ({ body }, context) => place(body, context),
    get: async ({ params }, context) => {
      const { order, sagaStep } = await visibleOrder(params.orderId, context);
      return { status: 200, body: viewOf(order, stepOf(order.id, sagaStep)) };
    },
    list: async ({ query }, context) => {
      const { caller } = context;
      if (query.importKey) {
        if (!isStaff(context) && caller.kind !== 'service') throw ordersProblems['not-permitted']();
        const found = await findImported(database, query.importKey);
        return { status: 200, body: { items: found.map((order) => viewOf(order)) } };
      }
      const { limit = pageSizeDefault, cursor, email, state, businessKey } = query;
      if (businessKey !== undefined && !isStaff(context) && caller.kind !== 'service') {
        throw ordersProblems['not-permitted']({ detail: 'businessKey is not for customers' });
      }
      const [before] = positionOf(cursor, 'text') ?? [];
      const rows = await listOrders(until(context.signal, database), {
        ...(caller.kind === 'customer' ? { customerId: caller.id } : {}),
        ...(email === undefined ? {} : { email: email.toLowerCase() }),
        ...(businessKey === undefined ? {} : { businessKey }),
        ...(state === undefined ? {} : { state: state === 'held' || state === 'authorized' ? 'received' : state }),
        ...(before === undefined ? {} : { before }),
        limit: limit + 1,
      });
      const body = pageFrom(
        rows,
        limit,
        ({ order }) => [order.id],
        ({ order, sagaStep }) => viewOf(order, sagaStep),
      );
      return { status: 200, body };
    },
    export: async ({ query }) => ({ status: 200, body: allOrders(database, query.channel ?? null) }),
    follow: async ({ params }, context) => {
      const { order, sagaStep } = await visibleOrder(params.orderId, context);
      return { status: 200, body: followers.follow(viewOf(order, stepOf(order.id, sagaStep)), context.signal) };
    },
    cancel: async ({ params, body }, context) => {
      const wanted: Change = { kind: 'cancel', ...changeFrom(ids.next('can'), body, context) };
      return change(params.orderId, sagas.cancelOrder, wanted, body, context);
    },
    return: async ({ params, body }, context) => {
      const { lines, sellable, refundMinor } = body;
      if ((sellable !== undefined || refundMinor !== undefined) && !isStaff(context)) {
        throw ordersProblems['not-permitted']({ detail: 'sellable and refundMinor are for staff' });
      }
      const common = changeFrom(ids.next('ret'), body, context);
      const onlyUnsent = context.caller.kind === 'customer';
      const wanted: Change = { kind: 'return', ...common, lines, sellable: sellable ?? true, refundMinor, onlyUnsent };
      return change(params.orderId, sagas.returnOrder, wanted, body, context);
    },
    refund: async ({ params, body }, context) => {
      const { amountMinor } = body;
      const wanted: Change = { kind: 'refund', ...changeFrom(ids.next('ref'), body, context), amountMinor };
      return change(params.orderId, sagas.refundOrder, wanted, body, context);
    },
    fulfil: async ({ params, body }, context) => {
      const shipmentId = ids.next('shp');
      const { key, occurredAt } = changeFrom(shipmentId, body, context);
      const shipment = { ...body, shipmentId, key, occurredAt };
      return fulfil(params.orderId, shipmentId, { kind: 'fulfil', shipment }, body, context);
    },
    complete: async ({ params, body }, context) => {
      const reference = ids.next('com');
      const { key, occurredAt } = changeFrom(reference, body, context);
      return fulfil(params.orderId, reference, { kind: 'complete', key, occurredAt }, body, context);
    },
  };
}

/** Imported orders belong to the shop, whoever of its staff imports them. */
const importScope = 'import';

function isStaff({ caller }: CallContext): boolean {
  return caller.kind === 'staff' || caller.kind === 'admin';
}

function checkPermitted(body: PlaceOrder, context: CallContext): void {
  const isService = context.caller.kind === 'service';
  if (body.customerId !== undefined && !isService) {
    throw ordersProblems['not-permitted']({ detail: 'customerId is said by other services only' });
  }
  if (isService || isStaff(context)) return;
  const staffOnly = needsStaff(body.lines) || body.placedAt !== undefined || (body.channel ?? 'web') !== 'web';
  if (staffOnly) throw ordersProblems['not-permitted']();
}

/** Keys belong to whoever used them: a customer by id, a guest by what only the guest knows. */
function scopeOf({ caller }: CallContext, guestSecret: string): string {
  return caller.kind === 'anonymous' ? `guest:${guestSecret}` : `${caller.kind}:${caller.id}`;
}

function placeScopeOf({ channel, email }: PlaceOrder, context: CallContext): string {
  return channel === 'import' ? importScope : scopeOf(context, email.toLowerCase());
}

/** What was recorded under a key: an order, or why there is none. */
function told<Status extends number>({ status, body }: Replay): Decided<Status> {
  if (status >= 400) throw problemFromReply(status, body);
  return { status, body } as Decided<Status>;
}

/** For whoever did not claim the key. */
function resultOf(claim: ClaimState): CommandResult {
  if (claim.state === 'mismatch') throw contractProblems['idempotency-key-reused']();
  if (claim.state === 'done') return { replay: claim.result as Replay };
  return { waitFor: claim.state === 'in-flight' ? claim.reference : undefined };
}

function originOf({ correlationId, step, traceparent }: CallContext): Origin {
  return { correlationId, step, ...(traceparent === undefined ? {} : { traceparent }) };
}

async function* allOrders(database: Database, channel: string | null): AsyncIterable<unknown> {
  const rows = readInParts<OrderWithProgress>(
    (last, limit) => exportOrders(database, channel, last?.order.id ?? '', limit),
    exportPageSize,
  );
  for await (const { order, sagaStep } of rows) yield viewOf(order, sagaStep);
}
