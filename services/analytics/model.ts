import type { OrderEvent } from '#contracts/orders';
import type { TillEvent } from '#contracts/tills';
import type { EventEnvelope } from '#kit/messaging';

/** What a batch of events adds to the figures. */
export interface Facts {
  readonly hours: readonly HourFact[];
  readonly products: readonly ProductFact[];
  readonly names: readonly NameFact[];
}

export interface HourFact {
  readonly hour: string;
  readonly currency: string;
  readonly country: string;
  readonly channel: string;
  orders: number;
  units: number;
  grossMinor: number;
  refundedMinor: number;
  returnedUnits: number;
  cancelledOrders: number;
  refusedOrders: number;
}

export interface ProductFact {
  readonly day: string;
  readonly currency: string;
  readonly sku: string;
  units: number;
  grossMinor: number;
  returnedUnits: number;
}

export interface NameFact {
  readonly sku: string;
  readonly name: string;
  readonly placedAt: string;
}

/** ISO 3166 keeps ZZ free for whoever needs a code for "unknown". */
export const unknownCountry = 'ZZ';

export const countedTypes = [
  'order.confirmed',
  'order.refused',
  'order.cancelled',
  'order.returned',
  'order.refunded',
  'till.sold',
  'till.returned',
] as const;

/** The channel of what tills sell. */
const tillChannel = 'till';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** An event that can't be counted, however often it is tried. */
export class UncountableEvent extends Error {
  readonly retry = 'never';
}

/** Sums a batch, one fact for each row that it touches. Sums of batches are the same however events are batched. */
export function factsOf(events: readonly EventEnvelope[]): Facts {
  const hours = new Map<string, HourFact>();
  const products = new Map<string, ProductFact>();
  const names = new Map<string, NameFact & NamedAt>();

  function productOf(currency: string, day: string, sku: string): ProductFact {
    const name = `${currency} ${day} ${sku}`;
    const fact = products.get(name) ?? {
      day,
      currency,
      sku,
      units: 0,
      grossMinor: 0,
      returnedUnits: 0,
    };
    products.set(name, fact);
    return fact;
  }

  for (const event of events) {
    const order = checked(event.source === 'tills' ? asOrder(event) : event);
    const { currency, placedAt } = order;
    const placedAtMs = Date.parse(placedAt);
    const day = startOf(placedAtMs, dayMs);
    const hour = hourOf(hours, order, startOf(placedAtMs, hourMs));
    switch (event.type) {
      case 'order.confirmed':
      case 'till.sold':
        hour.orders += 1;
        hour.grossMinor += order.totalMinor;
        for (const { sku, quantity, totalMinor, name } of goodsOf(order)) {
          hour.units += quantity;
          const product = productOf(currency, day, sku);
          product.units += quantity;
          product.grossMinor += totalMinor;
          const known = names.get(sku);
          const fact = { sku, name, placedAt, placedAtMs };
          if (!known || isLater(fact, known)) names.set(sku, fact);
        }
        break;
      case 'order.refused':
        hour.refusedOrders += 1;
        break;
      case 'order.cancelled':
      case 'order.returned':
      case 'order.refunded':
      case 'till.returned':
        if (event.type === 'order.cancelled') hour.cancelledOrders += 1;
        hour.refundedMinor += order.refundMinor ?? 0;
        for (const { sku, quantity } of returnedBy(event.type, order)) {
          hour.returnedUnits += quantity;
          productOf(currency, day, sku).returnedUnits += quantity;
        }
        break;
    }
  }
  return { hours: [...hours.values()], products: [...products.values()], names: [...names.values()] };
}

function hourOf(hours: Map<string, HourFact>, order: OrderEvent, hour: string): HourFact {
  const { currency, channel, country = unknownCountry } = order;
  const name = `${hour} ${currency} ${country} ${channel}`;
  const fact = hours.get(name) ?? {
    hour,
    currency,
    country,
    channel,
    orders: 0,
    units: 0,
    grossMinor: 0,
    refundedMinor: 0,
    returnedUnits: 0,
    cancelledOrders: 0,
    refusedOrders: 0,
  };
  hours.set(name, fact);
  return fact;
}

function goodsOf(order: OrderEvent): { sku: string; name: string; quantity: number; totalMinor: number }[] {
  return order.lines.flatMap(({ kind, sku, name, quantity, totalMinor }) =>
    kind === 'goods' && sku !== undefined ? [{ sku, name, quantity, totalMinor }] : [],
  );
}

/** A cancellation that doesn't say what comes back brings all of it back; a mere refund nothing. */
function returnedBy(type: string, order: OrderEvent): readonly { sku: string; quantity: number }[] {
  if (order.returned) return order.returned;
  return type === 'order.cancelled' ? goodsOf(order) : [];
}

interface NamedAt {
  readonly name: string;
  readonly placedAtMs: number;
}

/** The same winner in whatever order they come. */
function isLater(a: NamedAt, b: NamedAt): boolean {
  return a.placedAtMs === b.placedAtMs ? a.name > b.name : a.placedAtMs > b.placedAtMs;
}

function startOf(timeMs: number, partMs: number): string {
  return new Date(Math.floor(timeMs / partMs) * partMs).toISOString();
}

/** A sale at a till counts as an order that was confirmed at once. What is wrong in it is found by the same checks. */
function asOrder(event: EventEnvelope): EventEnvelope {
  const sale = event.data as Partial<TillEvent> | null;
  const lines = sale?.lines?.map((line) => ({ ...line, kind: 'goods' }));
  return { ...event, data: { ...sale, placedAt: sale?.soldAt, channel: tillChannel, lines } };
}

function checked(event: EventEnvelope): OrderEvent {
  const order = event.data as Partial<OrderEvent> | null;
  const wrong = order === null || typeof order !== 'object' ? 'data' : wrongFieldOf(order);
  if (wrong) throw new UncountableEvent(`${event.type} ${event.id}: ${wrong} is missing or malformed`);
  return order as OrderEvent;
}

function wrongFieldOf(order: Partial<OrderEvent>): string | undefined {
  if (typeof order.placedAt !== 'string' || Number.isNaN(Date.parse(order.placedAt))) return 'placedAt';
  if (typeof order.currency !== 'string' || !/^[A-Z]{3}$/.test(order.currency)) return 'currency';
  if (typeof order.channel !== 'string' || order.channel === '') return 'channel';
  if (!Number.isSafeInteger(order.totalMinor)) return 'totalMinor';
  if (order.refundMinor !== undefined && !Number.isSafeInteger(order.refundMinor)) return 'refundMinor';
  if (!Array.isArray(order.lines)) return 'lines';
  return undefined;
}
