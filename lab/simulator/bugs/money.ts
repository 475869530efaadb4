import { lateMessages, lossyNetwork, silentProvider } from './conditions.ts';
import type { Bug } from './index.ts';
import { isCall, rewireCalls, rewriteSql } from './rewire.ts';

export const moneyBugs: readonly Bug[] = [
  {
    name: 'charge-not-idempotent',
    summary: 'payments asks the provider under a new key at each attempt',
    conditions: silentProvider,
    hooks: () => {
      let attempts = 0;
      return {
        provider: (provider) => ({
          ...provider,
          authorize: (request) => provider.authorize({ ...request, key: `${request.key}#${attempts++}` }),
        }),
      };
    },
  },
  {
    name: 'refund-twice',
    foundAt: 2,
    summary: 'a refund whose answer was lost is asked for again under a new key',
    conditions: {
      ...silentProvider,
      units: 25,
      operations: [
        ['refund', 6],
        ['return', 6],
      ],
    },
    hooks: () => {
      let attempts = 0;
      return {
        provider: (provider) => ({
          ...provider,
          refund: (request) => provider.refund({ ...request, key: `${request.key}#${attempts++}` }),
        }),
      };
    },
  },
  {
    name: 'unknown-is-failure',
    summary: 'an authorization without an answer counts as declined: nobody calls it off',
    conditions: silentProvider,
    hooks: () => ({
      provider: (provider) => ({
        ...provider,
        authorize: (request) =>
          provider.authorize(request).catch((error) => {
            if ((error as { outcome?: string }).outcome !== 'unknown') throw error;
            const declined = { kind: 'declined', providerRef: undefined, code: 'card_declined' } as const;
            return { ...declined, declineCode: 'no_answer', message: 'Try again.', advice: 'try-again' };
          }),
      }),
    }),
  },
  {
    name: 'compensation-skipped',
    summary: 'a payment whose outcome is unknown is not called off, as there seems to be nothing to call off',
    conditions: { ...silentProvider, operations: [['abandon', 12]] },
    hooks: () => {
      const answered = new Set<string>();
      return {
        transport: (transport) =>
          rewireCalls(transport, (request, send, signal) => {
            if (isCall(request, 'payments', 'authorize')) {
              const { orderId } = request.body as { orderId: string };
              return send(request, signal).then((reply) => {
                if (reply.status === 200) answered.add(orderId);
                return reply;
              });
            }
            const orderId = request.params['orderId'] ?? '';
            if (!isCall(request, 'payments', 'void') || answered.has(orderId)) return undefined;
            return Promise.resolve({ status: 200, headers: {}, body: {} });
          }),
      };
    },
  },
  {
    name: 'void-leaves-no-word',
    summary: 'calling off an unknown payment leaves nothing behind, so a late authorization keeps the money',
    conditions: {
      ...lateMessages,
      units: 25,
      operations: [
        ['place', 6],
        ['abandon', 12],
      ],
    },
    hooks: () => ({
      database: (database, owner) =>
        owner !== 'payments'
          ? database
          : rewriteSql(database, (text, values) => {
              const statuses = values[1];
              if (!/insert into payment /.test(text) || !Array.isArray(statuses)) return undefined;
              if (!statuses.every((status) => status === 'voided')) return undefined;
              return { answer: { rows: [], count: statuses.length } };
            }),
    }),
  },
  {
    name: 'capture-and-forget',
    foundAt: 8,
    summary: 'the capture is sent and not waited for',
    conditions: { ...lossyNetwork, units: 25 },
    hooks: () => ({
      transport: (transport) =>
        rewireCalls(transport, (request, send, signal) => {
          if (!isCall(request, 'payments', 'capture')) return undefined;
          send(request, signal).catch(() => {});
          return Promise.resolve({ status: 200, headers: {}, body: {} });
        }),
    }),
  },
];
