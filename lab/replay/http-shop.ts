/**
 * The shop as a replay sees it, over its public HTTP API: what any other client with a staff account can do, and no
 * more. Connections are pooled, every write carries its business key, and what the shop answers as a problem keeps its
 * advice on repeating.
 */
import { type inventory as Inventory, inventory, type Movement } from '#contracts/inventory';
import { type Order, type orders as Orders, orders } from '#contracts/orders';
import { type Entry, payments } from '#contracts/payments';
import { type ImportReply, type ProductInput, products } from '#contracts/products';
import {
  anonymous,
  type CallContext,
  type CallInput,
  type Client,
  createClient,
  createHttpTransport,
  isProblem,
} from '#kit/contract';
import type { Clock } from '#kit/runtime';
import type { LineKind } from './codes.ts';
import { decimalText, lineTotalMinor, parseDecimal } from './decimal.ts';
import type * as operations from './operations.ts';
import {
  type MovementRecord,
  type OrderRecord,
  type OrderState,
  type ShopApi,
  ShopError,
  type StockRecord,
} from './shop-api.ts';
import type { StockLine } from './tables.ts';

/** Gives access tokens; they live minutes, so it is asked for each call. */
export interface TokenSource {
  token(): Promise<string>;
  /** The shop has refused this token: the next one asked for must be another. */
  refused(token: string): void;
}

export interface HttpShopOptions {
  /** Where the shop answers: `http://127.0.0.1:4080`. */
  readonly origin: string;
  readonly tokens: TokenSource;
  readonly clock: Clock;
  readonly sleep: (delayMs: number) => Promise<void>;
  /** What imported orders are paid with, as the provider knows it. Default `pm_card_visa`, a test card. */
  readonly paymentMethod?: string;
  /** Default 64: as many as operations are under way. */
  readonly connectionsMax?: number;
}

export interface HttpShop extends ShopApi {
  /** Makes or replaces products, as the shop's own import does; names the lines that it refuses. */
  importProducts(lines: AsyncIterable<ProductInput>, signal?: AbortSignal): Promise<ImportReply>;
  /** Books a delivery whose time is now. */
  receive(key: string, lines: readonly StockLine[], signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Longer than the shop's own deadlines: its word on what became of a request is worth waiting for. */
const writeTimeoutMs = 20_000;
const exportTimeoutMs = 600_000;
/** Order ids remembered, about 100 bytes each; others are asked for. */
const orderIdsMax = 200_000;
/** Keys in one question: together they stay below the size of a request's head. */
const keysPerQuestion = 40;
/** From so many keys on, reading the whole journal is cheaper than asking. */
const questionKeysMax = 400;
/** An order is confirmed a moment before its payment is taken. */
const captureWaitMs = 15_000;
const capturePollMs = 100;

interface PaidOrder {
  readonly status: string;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
}

export function createHttpShop(options: HttpShopOptions): HttpShop {
  const { origin, tokens, clock, sleep, paymentMethod = 'pm_card_visa', connectionsMax = 64 } = options;
  const contracts = [inventory, orders, payments, products];
  const transport = createHttpTransport({ contracts, origin, connectionsMax });
  const client = { transport, clock };
  const api = {
    inventory: createClient(inventory, client),
    orders: createClient(orders, client),
    payments: createClient(payments, client),
    products: createClient(products, client),
  };
  const orderIds = new Map<string, string>();
  let catalogue: Promise<Set<string>> | undefined;

  /** One call, with a token; a token that has become old is replaced once. */
  async function call<T>(
    ask: (input: CallInput, context: CallContext) => Promise<T>,
    {
      key,
      timeoutMs = writeTimeoutMs,
      signal,
    }: { key?: string; timeoutMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const token = await tokens.token();
      const input: CallInput = {
        timeoutMs,
        headers: { authorization: `Bearer ${token}` },
        ...(key === undefined ? {} : { key: headerKey(key) }),
      };
      try {
        return await ask(input, contextOf(clock, timeoutMs, signal));
      } catch (error) {
        signal?.throwIfAborted();
        if (isProblem(error) && error.status === 401 && attempt === 1) tokens.refused(token);
        else throw shopError(error);
      }
    }
  }

  async function* exported<T>(
    ask: (input: CallInput, context: CallContext) => Promise<{ readonly body: AsyncIterable<unknown> }>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<T> {
    const { body } = await call(ask, { timeoutMs: exportTimeoutMs, signal });
    try {
      for await (const line of body) yield line as T;
    } catch (error) {
      signal?.throwIfAborted();
      throw shopError(error);
    }
  }

  const allOrders = (signal?: AbortSignal) =>
    exported<Order>((input, context) => api.orders.export({ ...input, query: { channel: 'import' } }, context), signal);
  const movements = (kind: readonly Movement['kind'][], signal?: AbortSignal) =>
    exported<Movement>(
      (input, context) => api.inventory.exportMovements({ ...input, query: { kind } }, context),
      signal,
    );

  function remember(key: string, id: string): void {
    if (orderIds.size >= orderIdsMax) orderIds.delete(orderIds.keys().next().value as string);
    orderIds.set(key, id);
  }

  async function orderIdOf(key: string): Promise<string> {
    const known = orderIds.get(key);
    if (known !== undefined) return known;
    for await (const order of askForOrders(new Set([key]))) remember(key, order.id);
    const found = orderIds.get(key);
    if (found === undefined) throw new ShopError(`the shop has no order ${key}`, 'never');
    return found;
  }

  async function* askForOrders(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncGenerator<Order> {
    const wanted = [...keys].map(headerKey);
    for (let start = 0; start < wanted.length; start += keysPerQuestion) {
      const query = { importKey: wanted.slice(start, start + keysPerQuestion) };
      const { body } = await call((input, context) => api.orders.list({ ...input, query }, context), { signal });
      yield* body.items;
    }
  }

  async function* ordersOf(keys: ReadonlySet<string>, signal?: AbortSignal): AsyncGenerator<Order> {
    if (keys.size <= questionKeysMax) yield* askForOrders(keys, signal);
    else for await (const order of allOrders(signal)) if (keys.has(keyOf(order.businessKey))) yield order;
  }

  async function paymentOf(orderId: string, signal?: AbortSignal): Promise<PaidOrder | undefined> {
    try {
      const params = { orderId };
      return (await call((input, context) => api.payments.get({ ...input, params }, context), { signal })).body;
    } catch (error) {
      // An order of total 0 has none.
      if (error instanceof ShopError && isProblem(error.cause) && error.cause.status === 404) return undefined;
      throw error;
    }
  }

  /** Ledger entries of many orders: one pass over all payments, or one question each. */
  async function paymentsFor(keys: ReadonlySet<string>, signal?: AbortSignal) {
    if (keys.size <= questionKeysMax) return (orderId: string) => paymentOf(orderId, signal);
    const known = new Map<string, PaidOrder>();
    const lines = exported<PaidOrder & { orderId: string }>(
      (input, context) => api.payments.export(input, context),
      signal,
    );
    for await (const { orderId, status, capturedMinor, refundedMinor } of lines) {
      known.set(orderId, { status, capturedMinor, refundedMinor });
    }
    return async (orderId: string) => known.get(orderId);
  }

  async function captured(orderId: string, signal?: AbortSignal): Promise<PaidOrder | undefined> {
    const deadlineMs = clock.monotonicMs() + captureWaitMs;
    for (;;) {
      const payment = await paymentOf(orderId, signal);
      if (!isMoving(payment) || clock.monotonicMs() >= deadlineMs) return payment;
      await sleep(capturePollMs);
    }
  }

  /** SKUs that the shop sells already: an import never rewrites what somebody keeps there. */
  async function knownSkus(): Promise<Set<string>> {
    const skus = new Set<string>();
    for await (const { variants } of exported<ProductInput>(
      (input, context) => api.products.export(input, context),
      undefined,
    ))
      for (const { sku } of variants) skus.add(sku);
    return skus;
  }

  return {
    close: () => transport.close(),

    async booksId(signal) {
      const { body } = await call((input, context) => api.payments.books(input, context), { signal });
      return body.booksId;
    },

    async upsertProducts({ products: wanted }, signal) {
      catalogue ??= knownSkus();
      const skus = await catalogue.catch((error) => {
        catalogue = undefined;
        throw error;
      });
      const missing = wanted.filter(({ sku }) => !skus.has(sku));
      if (missing.length === 0) return;
      const { body } = await call(
        (input, context) => api.products.import({ ...input, body: linesOf(missing.map(productOf)) }, context),
        { timeoutMs: exportTimeoutMs, signal },
      );
      const [first] = body.rejections;
      if (first) throw new ShopError(`product ${first.sku ?? `of line ${first.line}`}: ${first.reason}`, 'never');
      for (const { sku } of missing) skus.add(sku);
    },

    async importProducts(lines, signal) {
      const options = { timeoutMs: exportTimeoutMs, signal };
      return (await call((input, context) => api.products.import({ ...input, body: lines }, context), options)).body;
    },

    async receive(key, lines, signal) {
      const body = { lines: [...lines] };
      await call((input, context) => api.inventory.receive({ ...input, body }, context), { key, signal });
    },

    async receiveStock({ key, occurredAt, lines }, signal) {
      const body = { lines: [...lines], occurredAt: utc(occurredAt) };
      await call((input, context) => api.inventory.receive({ ...input, body }, context), { key, signal });
    },

    async placeOrder(operation, signal) {
      const body = orderBody(operation, paymentMethod);
      const { key } = operation;
      const reply = await call((input, context) => api.orders.place({ ...input, body }, context), { key, signal });
      remember(key, reply.body.id);
      if (reply.status === 202) return { state: 'received' };
      const { state, reason } = reply.body;
      return { state: stateOf(state), ...(reason === undefined ? {} : { reason: `${reason.code}: ${reason.detail}` }) };
    },

    async returnOrder({ key, orderKey, lines, refundMinor, occurredAt }, signal) {
      const params = { orderId: await orderIdOf(orderKey) };
      const body = { lines: [...lines], refundMinor, occurredAt: utc(occurredAt) };
      const reply = await call((input, context) => api.orders.return({ ...input, params, body }, context), {
        key,
        signal,
      });
      mustBeDone(reply.status, key);
    },

    async refundOrder({ key, orderKey, amountMinor, occurredAt }, signal) {
      const params = { orderId: await orderIdOf(orderKey) };
      const body = { amountMinor, occurredAt: utc(occurredAt) };
      const reply = await call((input, context) => api.orders.refund({ ...input, params, body }, context), {
        key,
        signal,
      });
      mustBeDone(reply.status, key);
    },

    async adjustStock({ key, occurredAt, reason, note, lines }, signal) {
      const changes = lines.map(({ sku, quantity }) => ({ sku, change: quantity }));
      const body = { lines: changes, reason, note: note.toWellFormed(), occurredAt: utc(occurredAt) };
      await call((input, context) => api.inventory.adjust({ ...input, body }, context), { key, signal });
    },

    async bookEntries({ key, currency, country, occurredAt, lines }, signal) {
      const booked = lines.map(({ note, ...line }) => ({ ...line, note: note.toWellFormed() }));
      const body = { entries: [{ key, currency, country, occurredAt: utc(occurredAt), lines: booked }] };
      await call((input, context) => api.payments.bookEntries({ ...input, body }, context), { signal });
    },

    async *readOrders(keys, signal) {
      const paymentFor = await paymentsFor(keys, signal);
      const moving: Order[] = [];
      for await (const order of ordersOf(keys, signal)) {
        const payment = await paymentFor(order.id);
        if (isMoving(payment)) moving.push(order);
        else yield orderRecord(order, payment);
      }
      for (const order of moving) yield orderRecord(order, await captured(order.id, signal));
    },

    async *readReturns(keys, signal) {
      for await (const order of allOrders(signal)) {
        for (const entry of order.returns) {
          if (entry.state !== 'done' || !keys.has(keyOf(entry.key))) continue;
          const { lines, refundMinor, occurredAt } = entry;
          const common = { key: keyOf(entry.key), orderKey: keyOf(order.businessKey), country: order.country ?? '' };
          yield { ...common, occurredAt: local(occurredAt), lines, refundMinor };
        }
      }
    },

    async *readRefunds(keys, signal) {
      for await (const { refunds, country = '' } of allOrders(signal)) {
        for (const { key, state, amountMinor, occurredAt } of refunds) {
          if (state !== 'done' || !keys.has(keyOf(key))) continue;
          yield { key: keyOf(key), country, occurredAt: local(occurredAt), amountMinor };
        }
      }
    },

    async *readReceipts(keys, signal) {
      yield* byReference(movements(['receive'], signal), keys);
    },

    async *readAdjustments(keys, signal) {
      yield* byReference(movements(['find', 'write-off'], signal), keys);
    },

    async *readEntries(keys, signal) {
      const lines = exported<Entry>((input, context) => api.payments.exportEntries(input, context), signal);
      for await (const { key, country = '', occurredAt, lines: booked } of lines) {
        if (!keys.has(key)) continue;
        const amounts = booked.map(({ kind, amountMinor }) => ({ kind: kind as operations.EntryKind, amountMinor }));
        yield { key, country, occurredAt: local(occurredAt), lines: amounts };
      }
    },

    async *readStock(skus, signal) {
      const stock = new Map<string, Mutable<StockRecord>>();
      const levels = exported<Level>((input, context) => api.inventory.exportLevels(input, context), signal);
      for await (const { sku, received, onHand, held, sold } of levels) {
        if (!skus.has(sku)) continue;
        const known = levelOf(stock, sku);
        known.received += received;
        known.onHand += onHand;
        known.held += held;
        known.sold += sold;
      }
      for await (const movement of movements(['find', 'restock', 'write-off'], signal)) {
        const level = stock.get(movement.sku);
        if (level !== undefined) addMovement(level, movement);
      }
      yield* stock.values();
    },
  };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Level = Awaited<ReturnType<Client<typeof Inventory>['levels']>>['body']['items'][number];
type PlaceBody = Parameters<Client<typeof Orders>['place']>[0]['body'];

function contextOf(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined): CallContext {
  return {
    caller: anonymous,
    correlationId: '',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: clock.monotonicMs() + timeoutMs,
    signal: signal ?? new AbortController().signal,
    headers: {},
  };
}

function shopError(error: unknown): unknown {
  if (error instanceof ShopError) return error;
  // A stream that breaks off is no problem document: reading again is harmless.
  if (!isProblem(error)) return new ShopError((error as Error).message, 'same-key', { cause: error });
  const retry = typeof error.retry === 'object' ? error.retry.afterMs : error.retry;
  return new ShopError(`${error.code}: ${error.message}`, retry, { cause: error });
}

/** Accepted and still under way: asking again with the same key waits for its end. */
function mustBeDone(status: number, key: string): void {
  if (status === 202) throw new ShopError(`${key} is still being processed`, 'same-key');
}

/** Keys travel in a header, where spaces are not welcome; whatever looks escaped already is escaped as well. */
function headerKey(key: string): string {
  return key.replaceAll('%', '%25').replaceAll(' ', '%20');
}

function keyOf(header: string): string {
  return header.replaceAll('%20', ' ').replaceAll('%25', '%');
}

/** The files know the shop's local time and no zone: it is kept as if it were UTC, so that it comes back unchanged. */
function utc(occurredAt: string): string {
  return `${occurredAt}Z`;
}

function local(timestamp: string): string {
  return timestamp.slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
}

const kinds: Readonly<Partial<Record<LineKind, PlaceBody['lines'][number]['kind']>>> = {
  goods: 'goods',
  postage: 'shipping',
  discount: 'discount',
};

function orderBody(operation: operations.PlaceOrder, method: string): PlaceBody {
  const { customer, country, currency, occurredAt, lines, totalMinor } = operation;
  return {
    // Reserved by RFC 2606: no mail can ever be sent there.
    email: `${customer === null ? 'guest' : `customer-${mailName(customer)}`}@import.invalid`,
    currency,
    country,
    channel: 'import',
    placedAt: utc(occurredAt),
    lines: lines.map(orderLine),
    payment: { method },
    expectedTotalMinor: totalMinor,
  };
}

function mailName(customer: string): string {
  return encodeURIComponent(customer).replaceAll('%', '=').slice(0, 100);
}

function orderLine(line: operations.OrderLine): PlaceBody['lines'][number] {
  const { sku, name, kind, quantity, unitPriceText, totalMinor } = line;
  const exact = parseDecimal(unitPriceText);
  const unitPriceMinor = exact && lineTotalMinor(1, exact);
  if (exact === undefined || unitPriceMinor === undefined) throw new ShopError(`${unitPriceText} is no price`, 'never');
  const isWhole = unitPriceMinor * quantity === totalMinor && exact.scale <= 2;
  return {
    kind: kinds[kind] ?? 'fee',
    sku,
    name: name.toWellFormed(),
    quantity,
    unitPriceMinor,
    ...(isWhole ? {} : { unitPriceExact: decimalText(exact), totalMinor }),
  };
}

function productOf({ sku, name, priceMinor, currency }: operations.ProductUpsert): ProductInput {
  const prices = priceMinor === null ? [] : [{ currency, amountMinor: priceMinor }];
  // What has no price can't be offered, but it is known.
  const status = priceMinor === null ? 'draft' : 'active';
  return { name: name.slice(0, 200).toWellFormed(), status, variants: [{ sku, options: {}, prices }] };
}

async function* linesOf<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

function stateOf(state: Order['state']): OrderState {
  switch (state) {
    case 'confirmed':
    case 'fulfilled':
    case 'completed':
    case 'returned':
      return 'confirmed';
    case 'refused':
      return 'refused';
    case 'cancelling':
    case 'cancelled':
      return 'cancelled';
    default:
      return 'received';
  }
}

function isMoving(payment: PaidOrder | undefined): boolean {
  return payment?.status === 'requested' || payment?.status === 'authorized' || payment?.status === 'voiding';
}

function orderRecord(order: Order, payment: PaidOrder | undefined): OrderRecord {
  const { businessKey, state, reason, country = '', placedAt, lines, totalMinor, refundedMinor } = order;
  return {
    key: keyOf(businessKey),
    state: stateOf(state),
    ...(reason === undefined ? {} : { reason: `${reason.code}: ${reason.detail}` }),
    country,
    occurredAt: local(placedAt),
    lines: lines.map(({ sku = '', kind, quantity, totalMinor: lineMinor }) => ({
      sku,
      kind,
      quantity,
      totalMinor: lineMinor,
    })),
    totalMinor,
    returnedMinor: refundedMinor,
    capturedMinor: payment?.capturedMinor ?? 0,
    refundedMinor: payment?.refundedMinor ?? 0,
  };
}

async function* byReference(
  movements: AsyncIterable<Movement>,
  keys: ReadonlySet<string>,
): AsyncGenerator<MovementRecord> {
  const found = new Map<string, { sku: string; quantity: number }[]>();
  for await (const { reference, sku, kind, quantity } of movements) {
    const key = keyOf(reference);
    if (!keys.has(key)) continue;
    const line = { sku, quantity: kind === 'write-off' ? -quantity : quantity };
    const lines = found.get(key);
    if (lines === undefined) found.set(key, [line]);
    else lines.push(line);
  }
  for (const [key, lines] of found) yield { key, lines };
}

function levelOf(stock: Map<string, Mutable<StockRecord>>, sku: string): Mutable<StockRecord> {
  const known = stock.get(sku) ?? { sku, received: 0, onHand: 0, held: 0, sold: 0, returned: 0, adjusted: 0 };
  stock.set(sku, known);
  return known;
}

/** The level counts found units as received and returned ones as never sold; here each has its own place. */
function addMovement(level: Mutable<StockRecord>, { kind, quantity, reason }: Movement): void {
  if (kind === 'find') {
    level.received -= quantity;
    level.adjusted += quantity;
  } else if (kind === 'restock') {
    level.sold += quantity;
    level.returned += quantity;
  } else {
    level.adjusted -= quantity;
    if (reason !== undefined) return;
    // Came back damaged.
    level.sold += quantity;
    level.returned += quantity;
  }
}
