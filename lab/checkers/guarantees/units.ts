import { defineCheck } from '../check.ts';
import { groupBy } from '../group.ts';
import type { Evidence } from '../history/evidence.ts';
import type { Row } from '../history/sections.ts';
import { leftToPeople, paidStates } from './people.ts';

/** A SKU at a holder, as a name. What has no holder, or `main`, is the shop's own. */
export const placeOf = ({ sku, holder }: { readonly sku: string; readonly holder?: string | undefined }): string =>
  isShop(holder) ? sku : `${sku} of ${holder}`;

const isShop = (holder: string | undefined): boolean => holder === undefined || holder === 'main';

/**
 * Every unit is in one place; the journal tells the same; what the shop itself has sold is what standing orders bought; and
 * what holders have sent one another has arrived.
 */
export const unitsAreConserved = defineCheck({
  name: 'units are conserved and never oversold',
  needs: ['stock'],
  size: ({ stock, movements = [] }) => stock.length + movements.length,
  *find(evidence) {
    const soldTo = evidence.orders && unitsSold(evidence);
    for (const row of evidence.stock) {
      const { received, onHand, held, sold, writtenOff, sent = 0, arrived = 0, inTransfer = 0 } = row;
      const place = placeOf(row);
      if (received + arrived !== onHand + held + sold + writtenOff + sent + inTransfer)
        yield `${place}: ${received + arrived} received, places sum to another number`;
      for (const [name, units] of Object.entries({
        received,
        onHand,
        held,
        sold,
        writtenOff,
        sent,
        arrived,
        inTransfer,
      })) {
        if (units < 0) yield `${place}: ${name} is ${units}`;
      }
      const wanted = soldTo?.get(row.sku) ?? 0;
      if (soldTo && isShop(row.holder) && sold !== wanted)
        yield `${place}: ${sold} sold, standing orders bought ${wanted}`;
    }
    yield* whatIsSentArrives(evidence.stock);
    if (evidence.movements) yield* journalAgrees(evidence);
  },
});

/** Holders of one database hand over in one commit, so nothing is on the way between them. */
function* whatIsSentArrives(stock: readonly Row<'stock'>[]): Iterable<string> {
  for (const [sku, rows] of groupBy(stock, (row) => row.sku)) {
    const sum = (of: (row: Row<'stock'>) => number | undefined) => rows.reduce((all, row) => all + (of(row) ?? 0), 0);
    const [sent, arrived] = [sum((row) => row.sent), sum((row) => row.arrived)];
    if (sent !== arrived) yield `${sku}: holders sent ${sent}, and ${arrived} arrived`;
  }
}

function unitsSold(evidence: Evidence): Map<string, number> {
  const { orders = [], holds = [], returns = [] } = evidence;
  const units = new Map<string, number>();
  const add = (sku: string, quantity: number) => void units.set(sku, (units.get(sku) ?? 0) + quantity);
  const left = leftToPeople(evidence);
  for (const order of orders) {
    if (!paidStates.has(order.state) || left.has(order.id)) continue;
    for (const { sku, quantity } of order.lines) if (sku) add(sku, quantity);
    for (const entry of order.returns ?? []) {
      if (entry.state === 'done') for (const { sku, quantity } of entry.lines) if (sku) add(sku, -quantity);
    }
  }
  // Their changes stand half done until somebody settles them, so here inventory's own books are believed.
  const leftAndSold = new Set<string>();
  for (const { orderId, status, lines } of holds) {
    if (!left.has(orderId) || status !== 'sold') continue;
    leftAndSold.add(orderId);
    for (const [sku, quantity] of lines) add(sku, quantity);
  }
  for (const { orderId, lines } of returns) {
    if (leftAndSold.has(orderId)) for (const { sku, quantity } of lines) add(sku, -quantity);
  }
  return units;
}

/** What each kind of movement does to the units on the shelf. */
const shelf: Readonly<Record<string, number>> = {
  receive: 1,
  find: 1,
  hold: -1,
  release: 1,
  expire: 1,
  restock: 1,
  commit: 0,
  sell: -1,
  send: -1,
  arrive: 1,
};

/** Units on hand of each place at each version, from the journal. Undefined where a version is missing or there twice. */
export function levelsOf({ movements = [], returns = [] }: Evidence): Map<string, (number | undefined)[]> {
  const returned = new Set(returns.map(({ returnId }) => returnId));
  const levels = new Map<string, (number | undefined)[]>();
  for (const [sku, ofSku] of groupBy(movements, placeOf)) {
    let onHand: number | undefined = 0;
    const known: (number | undefined)[] = [0];
    for (const { version, kind, quantity, reference } of ofSku.toSorted((a, b) => a.version - b.version)) {
      // A write-off takes units from the shelf; returned goods are written off straight from the buyer.
      const sign = kind === 'write-off' ? (returned.has(reference) ? 0 : -1) : (shelf[kind] ?? Number.NaN);
      onHand = version === known.length && onHand !== undefined ? onHand + sign * quantity : undefined;
      known.push(onHand);
    }
    levels.set(sku, known);
  }
  return levels;
}

function* journalAgrees(evidence: Evidence): Iterable<string> {
  const levels = levelsOf(evidence);
  for (const row of evidence.stock ?? []) {
    const { onHand, version } = row;
    const sku = placeOf(row);
    const ofSku = levels.get(sku) ?? [0];
    const gap = ofSku.indexOf(undefined);
    if (gap >= 0) yield `${sku}: version ${gap} is missing from the journal, or there twice`;
    if (ofSku.length - 1 !== version) yield `${sku}: version ${version}, but ${ofSku.length - 1} movements`;
    if (gap < 0 && ofSku.at(-1) !== onHand) yield `${sku}: ${onHand} on hand, the journal says ${ofSku.at(-1)}`;
    const below = ofSku.findIndex((units) => units !== undefined && units < 0);
    if (below >= 0) yield `${sku}: sold below zero at version ${below}`;
  }
}
