import { amountMinorMax, quantityMax } from '#contracts/common';
import { goodsIn, leftOf, priceOfReturn, takeBack, toSend, unreturned } from '#contracts/order-goods';
import {
  type CancelRecord,
  type OrderEvent,
  type OrderLine,
  type OrderState,
  ordersProblems,
  type Reason,
  type RefundRecord,
  type ReturnRecord,
  type ShipmentRecord,
  type WantedLine,
} from '#contracts/orders';
import { contractProblems, invalidInput, type ProblemPlace } from '#kit/contract';

/** States that are kept. `held` and `authorized` are read off the saga's progress (`shownState`). */
export type KeptState = Exclude<OrderState, 'held' | 'authorized'>;

export interface OrderRecord {
  readonly id: string;
  readonly customerId: string | null;
  readonly email: string;
  readonly channel: string;
  readonly currency: string;
  readonly totalMinor: number;
  readonly country: string | null;
  readonly lines: readonly OrderLine[];
  readonly shippingAddress: unknown;
  readonly state: KeptState;
  readonly reason: Reason | null;
  readonly refundedMinor: number;
  readonly returns: readonly ReturnRecord[];
  readonly refunds: readonly RefundRecord[];
  readonly cancellation: CancelRecord | null;
  /** Null: nothing was sent yet. */
  readonly shipments: readonly ShipmentRecord[] | null;
  readonly scope: string;
  readonly businessKey: string;
  readonly placedAtMs: number;
  readonly decidedAtMs: number | null;
  /**
   * Logical time of the newest event that tells of it. The next one is stamped after it, also by an instance that never
   * spoke with whoever stamped this one; null for orders from before it was kept.
   */
  readonly hlc: string | null;
}

/** A catalogue entry as orders need it. */
export interface PricedSku {
  readonly name: string;
  readonly unitPriceMinor: number;
}

/** SKUs whose price has to be asked for: the lines do not say it themselves. */
export function skusToPrice(lines: readonly WantedLine[]): string[] {
  return [
    ...new Set(
      lines.flatMap((line) => (line.sku !== undefined && line.unitPriceMinor === undefined ? [line.sku] : [])),
    ),
  ];
}

/** Only staff, imports and other services may say what a line costs, or add lines that are not goods. */
export function needsStaff(lines: readonly WantedLine[]): boolean {
  return lines.some(
    (line) =>
      line.unitPriceMinor !== undefined ||
      line.unitPriceExact !== undefined ||
      line.totalMinor !== undefined ||
      line.discountMinor !== undefined ||
      line.tax !== undefined ||
      line.name !== undefined ||
      (line.kind !== undefined && line.kind !== 'goods'),
  );
}

/** Prices the lines. All sums are integers of minor units. */
export function priceLines(
  lines: readonly WantedLine[],
  prices: ReadonlyMap<string, PricedSku>,
  currency: string,
): OrderLine[] {
  const errors: ProblemPlace[] = [];
  const priced: OrderLine[] = [];
  lines.forEach((line, i) => {
    const kind = line.kind ?? 'goods';
    const known = line.sku === undefined ? undefined : prices.get(line.sku);
    const unitPriceMinor = line.unitPriceMinor ?? known?.unitPriceMinor;
    if (kind === 'goods' && line.sku === undefined)
      errors.push({ pointer: `/lines/${i}/sku`, detail: 'is required for goods' });
    else if (unitPriceMinor === undefined) {
      errors.push({
        pointer: `/lines/${i}`,
        detail: line.sku ? `${line.sku} is not sold in ${currency}` : 'has no price',
      });
    } else {
      priced.push({
        kind,
        ...(line.sku === undefined ? {} : { sku: line.sku }),
        name: line.name ?? known?.name ?? line.sku ?? kind,
        quantity: line.quantity,
        unitPriceMinor,
        ...(line.unitPriceExact === undefined ? {} : { unitPriceExact: line.unitPriceExact }),
        totalMinor: line.totalMinor ?? unitPriceMinor * line.quantity,
        ...(line.discountMinor === undefined ? {} : { discountMinor: line.discountMinor }),
        ...(line.tax === undefined ? {} : { tax: line.tax }),
      });
    }
  });
  const [first] = errors;
  if (first) throw ordersProblems['unknown-sku']({ detail: `${first.pointer} ${first.detail}`, errors });
  return priced;
}

/** As JSON text. Events carry the lines and must stay below what a log takes; some 1,800 lines with usual names fit. */
const linesSizeMax = 240 * 1024;

/** Refuses at once what no event could tell of. */
export function checkSize(lines: readonly OrderLine[]): void {
  if (lines.length < fewLines) return;
  const sizeBytes = Buffer.byteLength(JSON.stringify(lines));
  if (sizeBytes > linesSizeMax) {
    throw ordersProblems['too-long']({
      detail: `${lines.length} lines have ${sizeBytes} bytes, more than ${linesSizeMax}`,
    });
  }
}

/** So few fit however long their names are: most orders need not be measured. */
const fewLines = 100;

/** Refuses what no hold and no payment could be of, before anything is kept of it. */
export function checkBounds(lines: readonly OrderLine[]): void {
  const places: ProblemPlace[] = [];
  lines.forEach(({ totalMinor }, i) => {
    if (Math.abs(totalMinor) > amountMinorMax)
      places.push({ pointer: `/lines/${i}`, detail: `comes to more than ${amountMinorMax}` });
  });
  for (const { sku, quantity } of goodsOf(lines)) {
    if (quantity > quantityMax)
      places.push({ pointer: '/lines', detail: `hold ${quantity} units of ${sku}, more than ${quantityMax}` });
  }
  const total = lines.reduce((sum, line) => sum + line.totalMinor, 0);
  if (places.length === 0 && total > amountMinorMax)
    places.push({ pointer: '/lines', detail: `come to ${total}, more than ${amountMinorMax}` });
  if (places.length > 0) throw invalidInput(places);
}

/** Sum of the lines, which are within their bounds. Throws when it is negative. */
export function totalOf(lines: readonly OrderLine[]): number {
  const total = lines.reduce((sum, line) => sum + line.totalMinor, 0);
  if (total < 0) throw ordersProblems['nothing-to-pay']({ detail: `the lines sum to ${total}` });
  return total;
}

/** What takes stock, one entry a SKU. */
export function goodsOf(lines: readonly OrderLine[]): { sku: string; quantity: number }[] {
  const goods = new Map<string, number>();
  for (const line of lines) {
    if (line.kind === 'goods' && line.sku !== undefined)
      goods.set(line.sku, (goods.get(line.sku) ?? 0) + line.quantity);
  }
  return [...goods].map(([sku, quantity]) => ({ sku, quantity }));
}

/** How far an order that is not decided yet has come, by its saga's step: hold, authorize, commit, confirm. */
export function shownState(state: KeptState, sagaStep: number | undefined): OrderState {
  if (state !== 'received' || sagaStep === undefined) return state;
  return sagaStep >= 2 ? 'authorized' : sagaStep === 1 ? 'held' : 'received';
}

export type Decision = { readonly confirmed: true } | { readonly refused: Reason };

/** The end of placing: confirmed or refused, once and for all. A repeat of the same decision changes nothing. */
export function decide(order: OrderRecord, decision: Decision, atMs: number): OrderRecord {
  const state = 'confirmed' in decision ? 'confirmed' : 'refused';
  if (order.state === 'received') {
    return { ...order, state, reason: 'refused' in decision ? decision.refused : null, decidedAtMs: atMs };
  }
  if ((order.state === 'refused') !== (state === 'refused')) {
    throw new Error(`order ${order.id} is ${order.state} and can not become ${state}`);
  }
  return order;
}

/** What may be done with a decided order. */
export type Change = {
  /** Id of the cancellation, return or refund. */
  readonly changeId: string;
  /** Under which it was asked for. */
  readonly key: string;
  /** RFC 3339; business time, historic for imports. */
  readonly occurredAt: string;
  readonly reason: string;
} & (
  | { readonly kind: 'cancel' }
  | {
      readonly kind: 'return';
      readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
      readonly sellable: boolean;
      readonly refundMinor: number | undefined;
      /** Nobody has seen what was sent come back: only what never left is taken. */
      readonly onlyUnsent: boolean;
    }
  | { readonly kind: 'refund'; readonly amountMinor: number }
);

export interface StartedChange {
  readonly order: OrderRecord;
  /** Money to give back. */
  readonly refundMinor: number;
}

/** Returns and refunds of an order: all of them are kept with it. */
const changesMax = 1_000;

/** Begins a change: what it will take is set aside in the order at once, so that two changes can't take the same. */
export function startChange(order: OrderRecord, change: Change): StartedChange {
  if (order.state === 'received') throw ordersProblems['not-decided-yet']();
  // When all goods came back there may still be postage to refund.
  const open =
    order.state === 'confirmed' ||
    (change.kind !== 'cancel' && (order.state === 'fulfilled' || order.state === 'completed')) ||
    (change.kind === 'refund' && order.state === 'returned');
  if (!open) throw ordersProblems['not-possible']({ detail: `the order is ${order.state}` });
  if (change.kind !== 'cancel' && order.returns.length + order.refunds.length >= changesMax) {
    throw ordersProblems['not-possible']({ detail: `it has ${changesMax} returns and refunds, and no more are kept` });
  }
  switch (change.kind) {
    case 'cancel':
      return startCancel(order, change);
    case 'return':
      return startReturn(order, change);
    case 'refund':
      return startRefund(order, change);
  }
}

function startCancel(order: OrderRecord, { changeId, key, reason, occurredAt }: Change): StartedChange {
  if ([...order.returns, ...order.refunds].some((entry) => entry.state === 'pending')) {
    throw ordersProblems['not-possible']({ detail: 'a return or refund is under way' });
  }
  if (order.shipments) {
    throw ordersProblems['not-possible']({ detail: 'some of it was sent: take it back with a return' });
  }
  const cancellation = { cancelId: changeId, key, reason, occurredAt };
  return {
    order: { ...order, state: 'cancelling', cancellation },
    refundMinor: order.totalMinor - order.refundedMinor,
  };
}

function startReturn(order: OrderRecord, change: Extract<Change, { kind: 'return' }>): StartedChange {
  const goods = goodsIn(order);
  const errors: ProblemPlace[] = [];
  let priceMinor = 0;
  const lines = change.lines.map(({ sku, quantity }, i) => {
    const known = goods.get(sku);
    const open = !known ? 0 : change.onlyUnsent ? toSend(known) : unreturned(known);
    if (!known || quantity > open) {
      const what = change.onlyUnsent
        ? 'not sent; staff take back what was, when it has arrived'
        : 'bought and not returned';
      errors.push({ pointer: `/lines/${i}`, detail: `${sku}: ${open} ${what}` });
      return { sku, quantity };
    }
    priceMinor += priceOfReturn(known, quantity);
    const taken = takeBack(known, quantity, change.onlyUnsent ? quantity : undefined);
    goods.set(sku, taken.goods);
    return { sku, quantity, unsent: taken.unsent };
  });
  if (errors.length > 0) throw ordersProblems['not-possible']({ detail: errors[0]?.detail ?? '', errors });
  // Whoever sets prices may take more off a line than it costs: nothing is paid back for it then, and nothing is owed.
  const shareMinor = Math.max(0, Math.min(priceMinor, order.totalMinor - order.refundedMinor));
  const refundMinor = change.refundMinor ?? shareMinor;
  const { changeId: returnId, key, reason, occurredAt } = change;
  const entry: ReturnRecord = { returnId, key, state: 'pending', lines, refundMinor, reason, occurredAt };
  return { order: { ...refunded(order, refundMinor), returns: [...order.returns, entry] }, refundMinor };
}

function startRefund(order: OrderRecord, change: Extract<Change, { kind: 'refund' }>): StartedChange {
  const { changeId: refundId, key, amountMinor, reason, occurredAt } = change;
  const entry: RefundRecord = { refundId, key, state: 'pending', amountMinor, reason, occurredAt };
  return {
    order: { ...refunded(order, amountMinor), refunds: [...order.refunds, entry] },
    refundMinor: amountMinor,
  };
}

function refunded(order: OrderRecord, amountMinor: number): OrderRecord {
  const left = order.totalMinor - order.refundedMinor;
  if (amountMinor > left) throw ordersProblems['not-possible']({ detail: `${amountMinor} to refund, ${left} left` });
  return { ...order, refundedMinor: order.refundedMinor + amountMinor };
}

/** Ends a change that `startChange` began. */
export function finishChange(
  order: OrderRecord,
  change: { readonly kind: Change['kind']; readonly changeId: string },
): OrderRecord {
  if (change.kind === 'cancel') {
    return order.state === 'cancelling' ? { ...order, state: 'cancelled', refundedMinor: order.totalMinor } : order;
  }
  if (change.kind === 'refund') {
    return {
      ...order,
      refunds: order.refunds.map((entry) => (entry.refundId === change.changeId ? { ...entry, state: 'done' } : entry)),
    };
  }
  const returns = order.returns.map((entry) =>
    entry.returnId === change.changeId ? { ...entry, state: 'done' as const } : entry,
  );
  const done = { ...order, returns };
  const all = [...goodsIn(done).values()];
  const isOpen = order.state === 'confirmed' || order.state === 'fulfilled' || order.state === 'completed';
  const allBack = all.every((goods) => unreturned(goods) === 0) && returns.every((entry) => entry.state !== 'pending');
  if (isOpen && allBack) return { ...done, state: 'returned' };
  // What was not sent came back, so there may be nothing left to send.
  const isFulfilled = order.state === 'confirmed' && order.shipments && all.every((goods) => toSend(goods) === 0);
  return isFulfilled ? { ...done, state: 'fulfilled' } : done;
}

/** What an event says of the change that it ends. A cancellation brings back what no return has brought back before. */
export function changeOf(order: OrderRecord, changeId: string): Pick<OrderEvent, 'change' | 'returned'> {
  const back = order.returns.find((entry) => entry.returnId === changeId);
  const refund = order.refunds.find((entry) => entry.refundId === changeId);
  const cancellation = order.cancellation?.cancelId === changeId ? order.cancellation : undefined;
  const found = back ?? refund ?? cancellation;
  const returned =
    back?.lines.map(({ sku, quantity }) => ({ sku, quantity })) ?? (cancellation && leftOf(order, unreturned));
  return {
    ...(found ? { change: { key: found.key, occurredAt: found.occurredAt } } : {}),
    ...(returned ? { returned } : {}),
  };
}

/**
 * Imported orders keep their keys for ever, not only as long as results are kept: whoever imports the same books again,
 * next week or next year, gets the orders and returns that are there. Undefined: the change is new. Throws when the key
 * was used for something else.
 */
export function importedChange(order: OrderRecord, change: Change): 'pending' | 'done' | undefined {
  if (order.channel !== 'import') return undefined;
  const { key, kind } = change;
  const back = order.returns.find((entry) => entry.key === key && entry.state !== 'refused');
  const refund = order.refunds.find((entry) => entry.key === key && entry.state !== 'refused');
  const cancellation = order.cancellation?.key === key ? order.cancellation : undefined;
  const found = back ?? refund ?? cancellation;
  if (!found) return undefined;
  const same =
    (kind === 'return' && back !== undefined && sameStock(back.lines, change.lines)) ||
    (kind === 'refund' && refund?.amountMinor === change.amountMinor) ||
    (kind === 'cancel' && cancellation !== undefined);
  if (!same) throw contractProblems['idempotency-key-reused']();
  if (kind === 'cancel') return order.state === 'cancelled' ? 'done' : 'pending';
  return 'state' in found && found.state === 'done' ? 'done' : 'pending';
}

/** Whether an order that is imported again is the one that is there. */
export function isSameImport(known: OrderRecord, order: OrderRecord): boolean {
  return (
    known.currency === order.currency &&
    known.totalMinor === order.totalMinor &&
    known.lines.length === order.lines.length &&
    known.lines.every((line, i) => {
      const other = order.lines[i];
      return line.kind === other?.kind && line.totalMinor === other.totalMinor && sameStock([line], [other]);
    })
  );
}

type StockLine = { readonly sku?: string; readonly quantity: number };

function sameStock(left: readonly StockLine[], right: readonly StockLine[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ sku, quantity }, i) => sku === right[i]?.sku && quantity === right[i]?.quantity)
  );
}

export function eventOf(
  order: OrderRecord,
  extra: Pick<OrderEvent, 'change' | 'refundMinor' | 'returned' | 'shipment'> = {},
): OrderEvent {
  return {
    orderId: order.id,
    businessKey: order.businessKey,
    state: order.state,
    customer: { ...(order.customerId === null ? {} : { id: order.customerId }), email: order.email },
    channel: order.channel,
    placedAt: new Date(order.placedAtMs).toISOString(),
    ...(order.decidedAtMs === null ? {} : { decidedAt: new Date(order.decidedAtMs).toISOString() }),
    currency: order.currency,
    totalMinor: order.totalMinor,
    ...(order.country === null ? {} : { country: order.country }),
    lines: order.lines,
    ...(order.reason === null ? {} : { reason: order.reason }),
    ...extra,
  };
}
