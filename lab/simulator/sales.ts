import type { Row } from '#lab/checkers';
import type { LogFact } from './fact-rows.ts';

/** The figures of analytics, added up. */
export interface SalesFact {
  readonly orders: number;
  readonly units: number;
  readonly grossMinor: number;
  readonly refundedMinor: number;
  readonly returnedUnits: number;
  readonly cancelledOrders: number;
  readonly refusedOrders: number;
}

export interface ProductSalesFact {
  readonly sku: string;
  readonly units: number;
  readonly returnedUnits: number;
}

/** What a till has sold, as its event tells. */
export interface TillSales {
  readonly totalMinor: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

/** The figures of analytics as copies of what the log adds up to: each event is counted once, in all and by product. */
export function salesModels(
  log: readonly LogFact[],
  totals: SalesFact | undefined,
  products: readonly ProductSalesFact[],
  tillSales: readonly TillSales[] = [],
): Row<'models'>[] {
  const wanted = new Map([...productSalesOf(log, tillSales)].map((row) => [row.sku, row]));
  const shown = new Map(products.map((row) => [row.sku, row]));
  const skus = [...new Set([...wanted.keys(), ...shown.keys()])].sort();
  return [
    { model: 'sales', key: 'all', source: salesOf(log, tillSales), copy: totals },
    ...skus.map((sku) => ({ model: 'sales', key: sku, source: wanted.get(sku), copy: shown.get(sku) })),
  ];
}

const unitsOf = (lines: readonly { readonly quantity: number }[]): number =>
  lines.reduce((sum, { quantity }) => sum + quantity, 0);

const goodsOf = ({ data }: LogFact) => data.lines.filter(({ kind }) => kind === 'goods');

/** What an event says came back. A cancellation that names nothing brings back everything. */
const returnedBy = (event: LogFact): readonly { readonly sku?: string; readonly quantity: number }[] =>
  event.data.returned ?? (event.type === 'order.cancelled' ? goodsOf(event) : []);

function salesOf(log: readonly LogFact[], tillSales: readonly TillSales[]): SalesFact {
  const of = (...types: string[]) => log.filter(({ type }) => types.includes(type));
  const confirmed = of('order.confirmed');
  const changes = of('order.cancelled', 'order.returned', 'order.refunded');
  const sum = <T>(events: readonly T[], amount: (event: T) => number) =>
    events.reduce((total, event) => total + amount(event), 0);
  return {
    orders: confirmed.length + tillSales.length,
    units: sum(confirmed, (event) => unitsOf(goodsOf(event))) + sum(tillSales, ({ lines }) => unitsOf(lines)),
    grossMinor: sum(confirmed, ({ data }) => data.totalMinor) + sum(tillSales, ({ totalMinor }) => totalMinor),
    refundedMinor: sum(changes, ({ data }) => data.refundMinor ?? 0),
    returnedUnits: sum(changes, (event) => unitsOf(returnedBy(event))),
    cancelledOrders: of('order.cancelled').length,
    refusedOrders: of('order.refused').length,
  };
}

function productSalesOf(log: readonly LogFact[], tillSales: readonly TillSales[]): Iterable<ProductSalesFact> {
  const rows = new Map<string, { sku: string; units: number; returnedUnits: number }>();
  const rowOf = (sku = '') => {
    const row = rows.get(sku) ?? { sku, units: 0, returnedUnits: 0 };
    rows.set(sku, row);
    return row;
  };
  for (const { lines } of tillSales) for (const { sku, quantity } of lines) rowOf(sku).units += quantity;
  for (const event of log) {
    if (event.type === 'order.confirmed') for (const { sku, quantity } of goodsOf(event)) rowOf(sku).units += quantity;
    if (event.type === 'order.received' || event.type === 'order.confirmed' || event.type === 'order.refused') continue;
    for (const { sku, quantity } of returnedBy(event)) rowOf(sku).returnedUnits += quantity;
  }
  return rows.values();
}
