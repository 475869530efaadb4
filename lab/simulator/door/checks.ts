import type { Check } from '../check.ts';
import type { Facts } from '../fact-rows.ts';

/** Whoever was signed in when an order was placed owns it, whatever else the door was busy with. */
export const ordersHaveTheirOwners: Check = {
  name: 'an order belongs to whoever placed it',
  size: ({ errands }) => errands.owners.length,
  *find({ errands, orders }) {
    const found = new Map(orders.map(({ id, customerId }) => [id, customerId ?? undefined]));
    for (const { orderId, customerId } of errands.owners) {
      const owner = found.get(orderId);
      if (owner !== customerId)
        yield `${orderId} was placed by ${customerId ?? 'a guest'}, and is of ${owner ?? 'a guest'}`;
    }
    for (const { id, scope } of orders) {
      if (scope.includes('forged'))
        yield `${id} was taken for one of ${scope}, which is what its client said of itself`;
    }
  },
};

/** A token has one successor, however often it is shown; shown after that was used, it ends its session, and that is told. */
export const refreshTokensWorkOnce: Check = {
  name: 'a refresh token works once',
  size: ({ errands }) =>
    errands.sessions.reduce((sum, { exchanges, theft }) => sum + exchanges.length + (theft ? 1 : 0), 0),
  *find({ errands, sessions, accountEvents }) {
    const rows = new Map(sessions.map((row) => [row.id, row]));
    for (const { sessionId, exchanges, theft } of errands.sessions) {
      const successors = new Map<string, string>();
      for (const { token, successor } of exchanges) {
        const other = successors.get(token);
        if (other !== undefined && other !== successor) yield `${sessionId}: one token was exchanged for two others`;
        successors.set(token, successor);
      }
      if (theft?.isTaken) yield `${sessionId}: a token that was used up was taken`;
      if (theft?.isNewestTaken) yield `${sessionId}: lives on after a used-up token was shown`;
      if (theft && rows.get(sessionId)?.endedWhy !== 'reuse') yield `${sessionId} is not noted as ended by reuse`;
    }
    for (const { id, endedWhy } of sessions) {
      const told = accountEvents.filter((event) => event.type === reused && event.sessionId === id).length;
      if (told !== (endedWhy === 'reuse' ? 1 : 0)) yield `${id} ended by ${endedWhy}: ${told} events tell of its reuse`;
    }
  },
};

const reused = 'user.refresh-token-reused';

/** What was acknowledged is in; each change made one version, and each version is told of once. */
export const changesOfProductsStay: Check = {
  name: 'no change of a product is lost',
  size: ({ errands }) => errands.edits.reduce((sum, { marks }) => sum + marks.length, 0),
  *find({ errands, products, productEvents }) {
    const rows = new Map(products.map((row) => [row.id, row]));
    for (const { productId, marks } of errands.edits) {
      const attributes = rows.get(productId)?.attributes ?? {};
      for (const mark of marks) if (!(mark in attributes)) yield `${productId}: change ${mark} is gone`;
    }
    for (const { id, version, attributes, prices } of products) {
      const told = productEvents.filter(({ productId }) => productId === id);
      const changes = Object.keys(attributes).length;
      if (version !== 1 + changes) yield `${id} has version ${version} after ${changes} changes`;
      const versions = told.map((event) => event.version).join(' ');
      const wanted = Array.from({ length: version }, (_, i) => i + 1).join(' ');
      if (versions !== wanted) yield `${id}: the log tells of versions ${versions}, not of ${wanted}`;
      const [before] = told;
      for (const [sku, amountMinor] of Object.entries(prices)) {
        const was = before?.prices[sku];
        if (was !== undefined && was + changes !== amountMinor)
          yield `${sku} costs ${amountMinor} after ${changes} rises by one from ${was}`;
      }
    }
  },
};

/** Orders are placed at prices that the catalogue has told of, not at what a client or a cache made up. */
export const ordersCostWhatGoodsCost: Check = {
  name: 'an order costs what its goods cost',
  size: (facts) => (facts.products.length > 0 ? facts.orders.length : 0),
  *find({ orders, products, productEvents }) {
    if (products.length === 0) return;
    const prices = new Set(
      productEvents.flatMap((event) =>
        Object.entries(event.prices).map(([sku, amountMinor]) => `${sku} ${amountMinor}`),
      ),
    );
    for (const { id, lines } of orders) {
      for (const { sku, unitPriceMinor } of lines as readonly PricedLine[]) {
        if (sku === undefined || unitPriceMinor === undefined || prices.has(`${sku} ${unitPriceMinor}`)) continue;
        yield `${id} sells ${sku} at ${unitPriceMinor}, which it never cost`;
      }
    }
  },
};

type PricedLine = Facts['orders'][number]['lines'][number] & { readonly unitPriceMinor?: number };
