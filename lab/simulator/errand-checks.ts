import { unitsOf } from '../../services/carts/lines.ts';
import type { Check } from './check.ts';
import type { Units } from './errand.ts';

const total = (units: Units): string =>
  [...units]
    .filter(([, quantity]) => quantity !== 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([sku, quantity]) => `${quantity} ${sku}`)
    .join(', ') || 'nothing';

const linesOf = (units: Units) => [...units].map(([sku, quantity]) => ({ sku, quantity }));
const together = (...all: readonly Units[]): Units => sumOf(all.flatMap(linesOf));

function sumOf(lines: Iterable<{ readonly sku?: string | undefined; readonly quantity: number }>): Units {
  const units: Units = new Map();
  for (const { sku, quantity } of lines) if (sku !== undefined) units.set(sku, (units.get(sku) ?? 0) + quantity);
  return units;
}

/** What was put into a cart is in it still, or was ordered: no more and no less, on however many devices it was done. */
export const cartsLoseNothing: Check = {
  name: 'what was added to a cart is in it, or ordered, once',
  size: ({ errands }) => errands.carts.length,
  *find({ errands, carts, checkouts, orders }) {
    const lines = new Map(orders.map(({ id, lines }) => [id, lines]));
    for (const { customer, added } of errands.carts) {
      const cart = carts.find((row) => row.customerId === customer);
      if (!cart) {
        yield `the cart of ${customer} is gone`;
        continue;
      }
      const ordered = checkouts
        .filter(({ cartId, state }) => cartId === cart.id && state === 'confirmed')
        .flatMap(({ orderId }) => lines.get(orderId ?? '') ?? []);
      const found = total(sumOf([...unitsOf(cart.lines), ...ordered]));
      if (found !== total(added)) yield `${customer} added ${total(added)}; in the cart and in its orders: ${found}`;
    }
    for (const { businessKey, state } of checkouts) {
      if (state === 'saved' || state === 'placed') yield `checkout ${businessKey} is ${state} for ever`;
    }
  },
};

/** What a till told is booked, once, and its share holds what was handed over and not sold. */
export const tillsCountOnce: Check = {
  name: 'each sale at a till counts once',
  size: ({ errands }) => errands.tills.reduce((sum, { sales }) => sum + 1 + sales.length, 0),
  *find({ errands, stock, movements, tillEntries }) {
    for (const { tillId, stockedUp, handedBack, refused, sales } of errands.tills) {
      const shares = (stock ?? []).filter(({ holder }) => holder === tillId);
      const of = (name: 'sold' | 'sent' | 'arrived') =>
        total(sumOf(shares.map((row) => ({ sku: row.sku, quantity: row[name] ?? 0 }))));
      const wanted = { sold: sumOf(sales.flatMap(({ lines }) => lines)), sent: handedBack, arrived: stockedUp };
      for (const name of ['sold', 'sent', 'arrived'] as const) {
        const late = name === 'sold' ? new Map() : refused[name === 'arrived' ? 'in' : 'out'];
        if (of(name) !== total(wanted[name]) && of(name) !== total(together(wanted[name], late)))
          yield `${tillId}: ${of(name)} ${name}, not ${total(wanted[name])}`;
      }
      for (const { saleId, lines } of sales) {
        const entries = tillEntries.filter((entry) => entry.saleId === saleId);
        if (entries.length !== 1) yield `sale ${saleId} is in ${entries.length} entries`;
        if (entries.some(({ settled }) => !settled)) yield `nobody has told inventory of ${saleId}`;
        const booked = (movements ?? []).filter(({ kind, reference }) => kind === 'sell' && reference === saleId);
        if (total(sumOf(booked)) !== total(sumOf(lines)))
          yield `${saleId} sold ${total(sumOf(lines))}, booked is ${total(sumOf(booked))}`;
      }
    }
  },
};

/** Clocks of processes are off by at most this where nobody sets them, and a clock rounds. */
const wrongMsMax = 500;

/**
 * The assistant may know little, but not less than it says: whatever the catalogue had told by the time that its knowledge
 * is said to be of, it knows. (Its clock tells that time, so not where somebody set it.)
 */
export const knowledgeIsAsOld: Check = {
  name: 'what the assistant knows is no older than it says',
  size: ({ errands }) => errands.said.length,
  *find({ errands, news, isAssistantsClockSet }) {
    for (const { endMs, knowledge } of errands.said) {
      const { state, asOf, ageMs, products, text } = knowledge;
      if (state !== 'current' && text === '') yield `at ${endMs} it did not say how old its ${state} knowledge is`;
      if (asOf === undefined || ageMs === undefined || isAssistantsClockSet) continue;
      const told = new Set(
        news.filter(({ toldAtMs }) => toldAtMs < Date.parse(asOf) - wrongMsMax).map(({ sku }) => sku),
      );
      if (products < told.size)
        yield `as of ${asOf} the catalogue had told of ${told.size} products, it knew ${products}`;
    }
  },
};
