import type { OrderLine, ReturnRecord, ShipmentRecord } from './orders.ts';
import { paidFor, refundFor } from './pricing.ts';

/** The units of one SKU in an order, by where they are. */
export interface Goods {
  readonly bought: number;
  /** Handed to a carrier, ever. */
  readonly sent: number;
  /** Came back, or are on their way back, ever. */
  readonly returned: number;
  /** Of those, units that had not been sent: they never left the shelf, and are not to be sent any more. */
  readonly unsent: number;
  /** Of the first line with this SKU. */
  readonly unitPriceMinor: number;
  /** For all units, where lines tell of discounts and taxes. */
  readonly paidMinor: number;
  readonly hasParts: boolean;
}

/** Of an order, as the API shows it or as orders keeps it. */
export interface Trade {
  readonly lines: readonly OrderLine[];
  readonly returns: readonly ReturnRecord[];
  readonly shipments?: readonly ShipmentRecord[] | null;
}

/** What became of each SKU of an order. The one place where it is counted: for the service, and for whoever shows it. */
export function goodsIn({ lines, returns, shipments }: Trade): Map<string, Goods> {
  const goods = new Map<string, { -readonly [Name in keyof Goods]: Goods[Name] }>();
  for (const line of lines) {
    const { kind, sku, quantity, unitPriceMinor } = line;
    if (kind !== 'goods' || sku === undefined) continue;
    const none = { bought: 0, sent: 0, returned: 0, unsent: 0, unitPriceMinor, paidMinor: 0, hasParts: false };
    const known = goods.get(sku) ?? none;
    goods.set(sku, known);
    known.bought += quantity;
    known.paidMinor += paidFor(line);
    known.hasParts ||= line.discountMinor !== undefined || line.tax !== undefined;
  }
  for (const { sku, quantity } of (shipments ?? []).flatMap((shipment) => shipment.lines)) {
    const known = goods.get(sku);
    if (known) known.sent += quantity;
  }
  for (const { sku, quantity, unsent } of returns.flatMap((entry) => (entry.state === 'refused' ? [] : entry.lines))) {
    const known = goods.get(sku);
    if (!known) continue;
    known.returned += quantity;
    known.unsent += unsent ?? quantity;
  }
  return goods;
}

/** Units that were bought and have not come back. */
export const unreturned = ({ bought, returned }: Goods): number => bought - returned;

/** Units that are still to be sent. */
export const toSend = ({ bought, sent, unsent }: Goods): number => bought - sent - unsent;

/** Units that were sent and have not come back. */
export const withCustomer = ({ sent, returned, unsent }: Goods): number => sent - (returned - unsent);

/** Units of each SKU, where any are left. */
export function leftOf(trade: Trade, left: (goods: Goods) => number): { sku: string; quantity: number }[] {
  return [...goodsIn(trade)].flatMap(([sku, goods]) => (left(goods) > 0 ? [{ sku, quantity: left(goods) }] : []));
}

/**
 * Takes units back. `unsent` of them never left, and are not sent any more: by default only what goes beyond those that were
 * sent.
 */
export function takeBack(
  goods: Goods,
  quantity: number,
  unsent = Math.max(0, quantity - withCustomer(goods)),
): { readonly goods: Goods; readonly unsent: number } {
  return { unsent, goods: { ...goods, returned: goods.returned + quantity, unsent: goods.unsent + unsent } };
}

/** What goes back for units that come back. In whatever parts they come, the parts sum to what was paid. */
export function priceOfReturn(
  { paidMinor, bought, returned, unitPriceMinor, hasParts }: Goods,
  quantity: number,
): number {
  return hasParts ? refundFor(paidMinor, bought, returned, quantity) : unitPriceMinor * quantity;
}
