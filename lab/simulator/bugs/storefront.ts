import { lossyNetwork } from './conditions.ts';
import type { Bug } from './index.ts';
import { isCall, rewireCalls, rewriteSql } from './rewire.ts';

export const storefrontBugs: readonly Bug[] = [
  {
    name: 'addition-not-keyed',
    summary: 'carts takes each request to add for a new one, so a repeat adds once more',
    conditions: { ...lossyNetwork, storefront: { carts: 1 }, errands: [['shopping', 3]] },
    hooks: () => {
      let count = 0;
      return {
        server: (server) => ({
          ...server,
          handle(request, signal) {
            if (!isCall(request, 'carts', 'edit')) return server.handle(request, signal);
            const key = `${request.headers['idempotency-key']}#${count++}`;
            return server.handle({ ...request, headers: { ...request.headers, 'idempotency-key': key } }, signal);
          },
        }),
      };
    },
  },
  {
    name: 'last-cart-wins',
    foundAt: 3,
    summary: 'a cart is read, changed and written back without a transaction or a lock, so of two devices one is lost',
    conditions: { storefront: { carts: 2 }, errands: [['shopping', 6]] },
    hooks: () => ({
      database: (database, owner) =>
        owner !== 'carts'
          ? database
          : {
              ...database,
              transaction: (work) =>
                work({
                  database: database.name,
                  seal() {},
                  query: (text, values) => database.query(text.replace(/for update/, ''), values),
                }),
            },
    }),
  },
  {
    name: 'join-replaces',
    summary: 'when a guest signs in, the cart of the device takes the place of the one that the customer had',
    conditions: { storefront: { carts: 1 }, errands: [['shopping', 4]] },
    hooks: () => ({
      database: (database, owner) =>
        owner !== 'carts'
          ? database
          : rewriteSql(database, (text, values) => {
              if (!/update cart set version/.test(text)) return undefined;
              const column = (at: number) => values[at] as readonly string[];
              const [ids, lines, joinedInto] = [column(0), column(7), column(8)];
              const guests = new Map(joinedInto.map((own, i) => [own, lines[i] ?? '']));
              const other = ids.map((id, i) => guests.get(id) ?? lines[i] ?? '');
              return { text, values: values.map((value, i) => (i === 7 ? other : value)) };
            }),
    }),
  },
  {
    name: 'sale-told-as-new',
    summary: 'tills tells inventory of a sale under a new name at each attempt, so it is booked as often as it is told',
    conditions: { ...lossyNetwork, storefront: { tills: 1 }, errands: [['till', 3]] },
    hooks: () => {
      let count = 0;
      return {
        transport: (transport) =>
          rewireCalls(transport, (request, send, signal) => {
            if (!isCall(request, 'inventory', 'sell')) return undefined;
            const body = request.body as { reference: string };
            const reference = `${body.reference.slice(0, -4)}${String(count++).padStart(4, '0')}`;
            return send({ ...request, body: { ...body, reference } }, signal);
          }),
      };
    },
  },
  {
    name: 'transfer-told-as-new',
    summary: 'a repeated hand-over of stock to a till is another hand-over',
    conditions: { ...lossyNetwork, units: 25, storefront: { tills: 1 }, errands: [['till', 4]] },
    hooks: () => {
      let count = 0;
      return {
        transport: (transport) =>
          rewireCalls(transport, (request, send, signal) => {
            if (!isCall(request, 'inventory', 'transfer')) return undefined;
            const key = `${request.headers['idempotency-key']}${count++}`;
            return send({ ...request, headers: { ...request.headers, 'idempotency-key': key } }, signal);
          }),
      };
    },
  },
  {
    name: 'knowledge-is-always-fresh',
    summary: 'the assistant takes a catalogue that it can not hear for one that has nothing to tell',
    conditions: { listeners: { assistant: 1 }, errands: [['ask', 6]] },
    hooks: () => ({
      log(log, { node }) {
        if (!node.name.startsWith('assistant')) return log;
        // Where the log ended when it was first asked: nothing seems to have come since.
        let first: ReturnType<typeof log.bounds> | undefined;
        return {
          ...log,
          bounds(topics) {
            first ??= log.bounds(topics).catch((error) => {
              first = undefined;
              throw error;
            });
            return first;
          },
          read: async () => [],
        };
      },
    }),
  },
];
