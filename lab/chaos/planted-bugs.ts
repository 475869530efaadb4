import { headerNames, type ServiceServer } from '#kit/contract';
import type { Database, Transaction, World } from '#kit/runtime';

/** A bug that is put into the real processes, to see that the laboratory finds it. */
export interface PlantedBug {
  readonly does: string;
  readonly server?: (server: ServiceServer, world: World) => ServiceServer;
  readonly database?: (database: Database, service: string, world: World) => Database;
}

export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  'forgets-keys': {
    does: 'orders takes every request for a new one: a repeat with the same key makes a second order',
    server: (inner, world) =>
      inner.contract.service === 'orders'
        ? {
            ...inner,
            handle: (request, signal) => {
              const key = request.headers[headerNames.idempotencyKey];
              if (request.operation !== 'place' || key === undefined) return inner.handle(request, signal);
              const headers = { ...request.headers, [headerNames.idempotencyKey]: world.ids.next('key') };
              return inner.handle({ ...request, headers }, signal);
            },
          }
        : inner,
  },
  'loses-commits': {
    does: 'one in three commits of inventory is told to have happened and was rolled back',
    database: (inner, service, world) =>
      service === 'inventory' ? { ...inner, transaction: forgetful(inner, world) } : inner,
  },
};

/** So many that a run of seconds on a busy machine meets some that matter: of a hold it shows only as a refusal. */
const lostShare = 1 / 3;

function forgetful(inner: Database, { random }: World): Database['transaction'] {
  return async (work, options) => {
    if (options?.readOnly || random.next() >= lostShare) return inner.transaction(work, options);
    const rolledBack = new Error('planted: rolled back');
    let value: Awaited<ReturnType<typeof work>> | undefined;
    try {
      await inner.transaction(async (tx: Transaction) => {
        value = await work({ ...tx, seal() {} });
        throw rolledBack;
      }, options);
    } catch (error) {
      if (error !== rolledBack) throw error;
    }
    return value as Awaited<ReturnType<typeof work>>;
  };
}
