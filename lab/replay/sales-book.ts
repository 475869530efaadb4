/**
 * Which earlier sale does a credit note take back? The book keeps what was sold and may still be returned, by customer,
 * country and code. The rule, in this order:
 *
 *   1. sales at exactly the credited unit price before dearer ones (a cheaper sale can't be refunded above its price);
 *   2. among those, the most recent sale that covers the whole quantity;
 *   3. otherwise the quantity is split over sales, most recent first.
 *
 * A sale gives back no more units than it had, and its order no more money than was paid. What finds no sale is a
 * foreign return: the sale lies before these books began.
 */
import { compareDecimals, type Decimal, decimalText, lineTotalMinor, parseDecimal } from './decimal.ts';

/** Beyond this the oldest sales are forgotten (their returns become foreign). About 200 bytes each. */
const SALE_LINES_MAX = 2_000_000;

interface OpenSale {
  readonly orderKey: string;
  readonly unitPrice: Decimal;
  quantityOpen: number;
}

export interface SoldLine {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPrice: Decimal;
}

export interface SoldOrder {
  readonly orderKey: string;
  readonly customer: string;
  readonly country: string;
  readonly totalMinor: number;
  readonly lines: readonly SoldLine[];
}

export interface CreditLine {
  readonly customer: string;
  readonly country: string;
  readonly sku: string;
  /** Positive. */
  readonly quantity: number;
  readonly unitPrice: Decimal;
}

export interface Match {
  readonly orderKey: string;
  readonly quantity: number;
  readonly refundMinor: number;
}

export interface CreditResult {
  readonly matches: readonly Match[];
  /** What no sale covers; 0 units where everything matched. */
  readonly foreign: { readonly quantity: number; readonly amountMinor: number };
}

/** The book as plain values, for a file. */
export interface SalesBookState {
  readonly refundable: readonly (readonly [string, number])[];
  readonly sales: readonly (readonly [string, readonly (readonly [string, string, number])[]])[];
}

export interface SalesBook {
  /** Call in the order of sale. Sales without a customer can't be matched and are not kept. */
  addOrder(order: SoldOrder): void;
  /** Takes units and money out of the book. */
  credit(line: CreditLine): CreditResult;
  state(): SalesBookState;
}

export function createSalesBook(state?: SalesBookState): SalesBook {
  const refundable = new Map<string, number>(state?.refundable);
  const sales = new Map<string, OpenSale[]>();
  let saleLines = 0;
  for (const [place, lines] of state?.sales ?? []) {
    sales.set(place, lines.map(readSale));
    saleLines += lines.length;
  }

  function forgetOldest(): void {
    for (const [place, lines] of sales) {
      if (saleLines <= SALE_LINES_MAX) return;
      sales.delete(place);
      saleLines -= lines.length;
    }
  }

  return {
    addOrder(order) {
      if (order.customer === '') return;
      refundable.set(order.orderKey, order.totalMinor);
      for (const { sku, quantity, unitPrice } of order.lines) {
        const place = placeOf(order.customer, order.country, sku);
        const open = { orderKey: order.orderKey, unitPrice, quantityOpen: quantity };
        const lines = sales.get(place);
        if (lines === undefined) sales.set(place, [open]);
        else lines.push(open);
        saleLines += 1;
      }
      if (saleLines > SALE_LINES_MAX) forgetOldest();
    },

    credit(line) {
      const place = placeOf(line.customer, line.country, line.sku);
      const lines = line.customer === '' ? undefined : sales.get(place);
      if (lines === undefined) return takeBack(line, [], refundable);
      const result = takeBack(line, candidatesFor(line, lines), refundable);
      const open = lines.filter((sale) => sale.quantityOpen > 0);
      saleLines -= lines.length - open.length;
      if (open.length === 0) sales.delete(place);
      else if (open.length < lines.length) sales.set(place, open);
      return result;
    },

    state() {
      const kept = [...sales].map(([place, lines]) => [place, lines.map(writeSale)] as const);
      const orders = new Set(kept.flatMap(([, lines]) => lines.map(([orderKey]) => orderKey)));
      return { refundable: [...refundable].filter(([orderKey]) => orders.has(orderKey)), sales: kept };
    },
  };
}

function placeOf(customer: string, country: string, sku: string): string {
  return `${customer}\n${country}\n${sku}`;
}

/** Eligible sales in the order of preference. */
function candidatesFor(line: CreditLine, sales: readonly OpenSale[]): OpenSale[] {
  const recent = sales.toReversed().filter((sale) => sale.quantityOpen > 0);
  const same = recent.filter((sale) => compareDecimals(sale.unitPrice, line.unitPrice) === 0);
  const dearer = recent.filter((sale) => compareDecimals(sale.unitPrice, line.unitPrice) > 0);
  const whole = same.find(covers) ?? (same.length === 0 ? dearer.find(covers) : undefined);
  const rest = [...same, ...dearer];
  return whole === undefined ? rest : [whole, ...rest.filter((sale) => sale !== whole)];

  function covers(sale: OpenSale): boolean {
    return sale.quantityOpen >= line.quantity;
  }
}

function takeBack(line: CreditLine, candidates: readonly OpenSale[], refundable: Map<string, number>): CreditResult {
  const matches: Match[] = [];
  let taken = 0;
  let takenMinor = 0;
  for (const sale of candidates) {
    const quantity = Math.min(sale.quantityOpen, line.quantity - taken);
    if (quantity === 0) break;
    // Cumulative rounding: the parts of a split line always add up to the line's own total.
    const refundMinor = totalOf(taken + quantity, line.unitPrice) - takenMinor;
    const paidMinor = refundable.get(sale.orderKey) ?? 0;
    if (refundMinor > paidMinor) continue;
    sale.quantityOpen -= quantity;
    refundable.set(sale.orderKey, paidMinor - refundMinor);
    matches.push({ orderKey: sale.orderKey, quantity, refundMinor });
    taken += quantity;
    takenMinor += refundMinor;
  }
  const foreignMinor = totalOf(line.quantity, line.unitPrice) - takenMinor;
  return { matches, foreign: { quantity: line.quantity - taken, amountMinor: foreignMinor } };
}

function totalOf(quantity: number, unitPrice: Decimal): number {
  const total = lineTotalMinor(quantity, unitPrice);
  if (total === undefined) throw new RangeError('a credited amount beyond 2^53 passed the row parser');
  return total;
}

function writeSale(sale: OpenSale): readonly [string, string, number] {
  return [sale.orderKey, decimalText(sale.unitPrice), sale.quantityOpen];
}

function readSale([orderKey, price, quantityOpen]: readonly [string, string, number]): OpenSale {
  const unitPrice = parseDecimal(price);
  if (unitPrice === undefined) throw new TypeError(`sales book: ${JSON.stringify(price)} is no price`);
  return { orderKey, unitPrice, quantityOpen };
}
