import { headerNames } from '#kit/contract';
import { lossyNetwork } from './conditions.ts';
import type { Bug } from './index.ts';
import { inStatementsOf, isCall, rewireCalls } from './rewire.ts';

export const doorBugs: readonly Bug[] = [
  {
    name: 'door-repeats-with-new-key',
    summary: 'the gateway repeats a request that got no answer under an Idempotency-Key of its own',
    conditions: { ...lossyNetwork, units: 25, storefront: { gateway: 1 }, operations: [['place', 10]] },
    hooks: () => {
      let attempts = 0;
      return {
        transport: (transport, { node }) =>
          rewireCalls(transport, (request, send, signal) => {
            const key = request.headers[headerNames.idempotencyKey];
            if (!node.name.startsWith('gateway') || key === undefined) return undefined;
            const headers = { ...request.headers, [headerNames.idempotencyKey]: `${key}#${attempts++}` };
            return send({ ...request, headers }, signal);
          }),
      };
    },
  },
  {
    name: 'caller-of-the-process',
    summary: 'the gateway keeps who is calling in a variable of the process, so a request goes on as the one before it',
    conditions: { units: 25, storefront: { gateway: 1 }, operations: [['place', 10]] },
    hooks: () => {
      let last: string | undefined;
      return {
        transport: (transport, { node }) =>
          rewireCalls(transport, (request, send, signal) => {
            const mine = request.headers[headerNames.caller];
            if (!node.name.startsWith('gateway') || !isCall(request, 'orders', 'place') || mine === undefined)
              return undefined;
            const headers = { ...request.headers, [headerNames.caller]: last ?? mine };
            last = mine;
            return send({ ...request, headers }, signal);
          }),
      };
    },
  },
  {
    name: 'used-token-accepted',
    summary: 'a refresh token is exchanged and its exchange is not kept, so it can be exchanged again and again',
    conditions: { storefront: { gateway: 1 }, errands: [['session', 4]] },
    hooks: () =>
      inStatementsOf('users', (text, values) =>
        /update session set generation/.test(text)
          ? { answer: { rows: [], count: (values[0] as readonly unknown[]).length } }
          : undefined,
      ),
  },
  {
    name: 'stolen-token-forgiven',
    summary: 'a refresh token that was used up is refused, and the session that it was stolen from lives on',
    conditions: { storefront: { gateway: 1 }, errands: [['session', 6]] },
    hooks: () =>
      inStatementsOf('users', (text) =>
        /update session set ended_at = \$2, ended_why = \$3 where id = any/.test(text)
          ? { answer: { rows: [], count: 1 } }
          : undefined,
      ),
  },
  {
    name: 'if-match-ignored',
    summary: 'a change of a product is written whatever version its writer has read',
    conditions: { storefront: { products: 1 }, errands: [['reprice', 3]] },
    hooks: () => ({
      server: (server) => ({
        ...server,
        async handle(request, signal) {
          if (!isCall(request, 'products', 'change')) return server.handle(request, signal);
          const params = { idOrSlug: request.params['productId'] ?? '' };
          const { body: _body, ...read } = { ...request, operation: 'get', params };
          const { headers } = await server.handle(read, signal);
          const etag = headers['etag'];
          if (etag === undefined) return server.handle(request, signal);
          return server.handle({ ...request, headers: { ...request.headers, 'if-match': etag } }, signal);
        },
      }),
    }),
  },
];
