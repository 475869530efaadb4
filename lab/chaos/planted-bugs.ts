import { headerNames, type ServiceServer } from '#kit/contract';
import type { Database, QueryResult, SqlValue, Transaction, World } from '#kit/runtime';

/** A bug that is put into the real processes, to see that the laboratory finds it. */
export interface PlantedBug {
  readonly does: string;
  readonly server?: (server: ServiceServer, site: Site) => ServiceServer;
  readonly database?: (database: Database, service: string, site: Site) => Database;
}

/** Where a bug is planted. */
export interface Site {
  readonly world: World;
  /** Called for each time that it did something which has to be found: the run works on until there were some. */
  struck(): void;
}

export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  'forgets-keys': {
    does: 'orders takes every request for a new one: a repeat with the same key makes a second order',
    server: (inner, { world, struck }) =>
      inner.contract.service === 'orders'
        ? {
            ...inner,
            handle: (request, signal) => {
              const key = request.headers[headerNames.idempotencyKey];
              if (request.operation !== 'place' || key === undefined) return inner.handle(request, signal);
              // Every order is placed again when all is quiet.
              struck();
              const headers = { ...request.headers, [headerNames.idempotencyKey]: world.ids.next('key') };
              return inner.handle({ ...request, headers }, signal);
            },
          }
        : inner,
  },
  'loses-commits': {
    does: 'one in three commits that change what inventory holds for an order is told to have happened and was rolled back',
    database: (inner, service, site) =>
      service === 'inventory' ? { ...inner, transaction: forgetful(inner, site) } : inner,
  },
};

/**
 * Counted, not drawn, and only of those that the books show for ever: a hold that is lost ends as a refusal, and most
 * transactions of a short run are of no order.
 */
const lostOneIn = 3;
const changesHolds = /^\s*update hold\b/;

function forgetful(inner: Database, { struck }: Site): Database['transaction'] {
  let changes = 0;
  return async (work, options) => {
    const rolledBack = new Error('planted: rolled back');
    let value: Awaited<ReturnType<typeof work>> | undefined;
    try {
      return await inner.transaction(async (tx: Transaction) => {
        let hasChanged = false;
        value = await work({
          ...tx,
          query<R extends object>(text: string, values?: readonly SqlValue[]): Promise<QueryResult<R>> {
            hasChanged ||= changesHolds.test(text);
            return tx.query<R>(text, values);
          },
          // What is sealed commits, whatever is thrown afterwards.
          seal: () => hasChanged || tx.seal(),
        });
        if (hasChanged && changes++ % lostOneIn === 0) throw rolledBack;
        return value;
      }, options);
    } catch (error) {
      if (error !== rolledBack) throw error;
      struck();
      return value as Awaited<ReturnType<typeof work>>;
    }
  };
}
