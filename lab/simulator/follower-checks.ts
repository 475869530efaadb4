import type { Check } from './check.ts';
import type { Facts, LogFact, ProductSalesFact, SalesFact } from './facts.ts';

/** Checks of the services that follow the log. The log is their source; that it tells of every order is another check. */

const writtenAbout = new Set([
  'order.confirmed',
  'order.refused',
  'order.cancelled',
  'order.returned',
  'order.refunded',
]);

/** One letter about each event that a customer should hear of, and all of them reach the mail server. */
export const lettersMatchEvents: Check = {
  name: 'each event makes one letter, and it is sent',
  size: (facts) => facts.letters.length,
  *find(facts) {
    if (!facts.followers.notifications) return;
    const events = new Map(facts.log.map((event) => [event.eventId, event]));
    const written = new Set<string>();
    const taken = new Set(facts.mails.map(({ messageId }) => messageId.split('@')[0]));
    for (const { id, eventId, template, status } of facts.letters) {
      const event = events.get(eventId);
      if (event?.type !== template) yield `${id} tells of ${template} ${eventId}, which the log does not have`;
      if (written.has(eventId)) yield `${eventId} was written about twice`;
      written.add(eventId);
      if (status !== 'sent') yield `${id} about ${eventId} is ${status}`;
      else if (!taken.has(id)) yield `${id} is noted as sent, and no mail server has it`;
    }
    for (const { eventId, type } of events.values()) {
      if (writtenAbout.has(type) && !written.has(eventId)) yield `nobody was told of ${type} ${eventId}`;
    }
    yield* mailsAreKnown(facts);
    yield* givenUpBy('notifications', facts);
  },
};

/** A mail may arrive twice, under the same id; no other mail may tell the same. */
function* mailsAreKnown({ mails, letters }: Facts): Iterable<string> {
  const known = new Set(letters.map(({ id }) => id));
  const ids = new Map<string, string>();
  for (const { messageId, recipient, subject } of mails) {
    const [letter = ''] = messageId.split('@');
    if (!known.has(letter)) yield `mail ${messageId} was sent and nobody wrote it`;
    // Subjects name the order and what became of it. Of returns and refunds there may be several.
    if (!/confirmed|cancelled|could not/.test(subject)) continue;
    const text = `${recipient}: ${subject}`;
    const other = ids.get(text);
    if (other !== undefined && other !== messageId) yield `"${text}" was sent as ${other} and as ${messageId}`;
    ids.set(text, messageId);
  }
}

function* givenUpBy(service: string, facts: Facts): Iterable<string> {
  for (const letter of facts.givenUp) if (letter.service === service) yield `${service} gave up ${letter.eventId}`;
}

/** Each event is counted once: the figures are the sums over the log, in all and for each product. */
export const salesMatchEvents: Check = {
  name: 'figures of sales equal the sums over the log',
  size: (facts) => facts.sales.orders + facts.sales.refusedOrders + facts.productSales.length,
  *find(facts) {
    if (!facts.followers.analytics) return;
    const wanted = salesOf(facts.log);
    for (const name of Object.keys(wanted) as (keyof SalesFact)[]) {
      if (wanted[name] !== facts.sales[name])
        yield `${name}: the log says ${wanted[name]}, analytics ${facts.sales[name]}`;
    }
    const shown = new Map(facts.productSales.map((row) => [row.sku, row]));
    for (const row of productSalesOf(facts.log)) {
      const other = shown.get(row.sku);
      if (!other || other.units !== row.units || other.returnedUnits !== row.returnedUnits)
        yield `${row.sku}: the log says ${JSON.stringify(row)}, analytics ${JSON.stringify(other)}`;
      shown.delete(row.sku);
    }
    for (const sku of shown.keys()) yield `analytics has sold ${sku}, of which the log knows nothing`;
    yield* givenUpBy('analytics', facts);
  },
};

const unitsOf = (lines: readonly { readonly quantity: number }[]): number =>
  lines.reduce((sum, { quantity }) => sum + quantity, 0);

const goodsOf = ({ data }: LogFact) => data.lines.filter(({ kind }) => kind === 'goods');

/** What an event says came back. A cancellation that names nothing brings back everything. */
const returnedBy = (event: LogFact): readonly { readonly sku?: string; readonly quantity: number }[] =>
  event.data.returned ?? (event.type === 'order.cancelled' ? goodsOf(event) : []);

function salesOf(log: readonly LogFact[]): SalesFact {
  const of = (...types: string[]) => log.filter(({ type }) => types.includes(type));
  const confirmed = of('order.confirmed');
  const changes = of('order.cancelled', 'order.returned', 'order.refunded');
  const sum = (events: readonly LogFact[], amount: (event: LogFact) => number) =>
    events.reduce((total, event) => total + amount(event), 0);
  return {
    orders: confirmed.length,
    units: sum(confirmed, (event) => unitsOf(goodsOf(event))),
    grossMinor: sum(confirmed, ({ data }) => data.totalMinor),
    refundedMinor: sum(changes, ({ data }) => data.refundMinor ?? 0),
    returnedUnits: sum(changes, (event) => unitsOf(returnedBy(event))),
    cancelledOrders: of('order.cancelled').length,
    refusedOrders: of('order.refused').length,
  };
}

function productSalesOf(log: readonly LogFact[]): Iterable<Omit<ProductSalesFact, 'grossMinor'>> {
  const rows = new Map<string, { sku: string; units: number; returnedUnits: number }>();
  const rowOf = (sku = '') => {
    const row = rows.get(sku) ?? { sku, units: 0, returnedUnits: 0 };
    rows.set(sku, row);
    return row;
  };
  for (const event of log) {
    if (event.type === 'order.confirmed') for (const { sku, quantity } of goodsOf(event)) rowOf(sku).units += quantity;
    if (event.type === 'order.received' || event.type === 'order.confirmed' || event.type === 'order.refused') continue;
    for (const { sku, quantity } of returnedBy(event)) rowOf(sku).returnedUnits += quantity;
  }
  return rows.values();
}
