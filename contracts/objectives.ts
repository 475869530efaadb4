import type { OperationDescription, ServiceContract } from '#kit/contract';

/**
 * What the shop promises of each public operation, over 30 days, as measured at the gateway: the share of requests that do not
 * fail (5xx), and of the others the share that is answered in time. The bounds are those of the histogram it is read from.
 * Read off what an operation is; `own` names what is promised of single ones.
 */
export interface Promised {
  readonly availability: number;
  /** Left out where there is no telling how long it should take: streams, imports. */
  readonly latency?: { readonly target: number; readonly withinSec: number };
}

/** Looking around: what shoppers do most. */
const browsing: Promised = { availability: 0.999, latency: { target: 0.99, withinSec: 0.25 } };
const changing: Promised = { availability: 0.999, latency: { target: 0.99, withinSec: 0.5 } };
/** Where money is made: fails less often, and may take as long as a payment provider does. */
const selling: Promised = { availability: 0.9995, latency: { target: 0.99, withinSec: 1 } };
/** Staff's pages, which look through a lot. */
const operating: Promised = { availability: 0.995, latency: { target: 0.95, withinSec: 1 } };
const streaming: Promised = { availability: 0.995 };

const own: Readonly<Record<string, Promised>> = {
  'orders.place': selling,
  'carts.checkout': selling,
  'tills.record': selling,
  'tills.charge': selling,
  'payments.webhook': selling,
  // Passwords are hashed slowly on purpose.
  'users.signIn': { availability: 0.999, latency: { target: 0.99, withinSec: 1 } },
  'users.register': { availability: 0.999, latency: { target: 0.99, withinSec: 1 } },
  // Asks a language model where there is one.
  'assistant.ask': { availability: 0.995, latency: { target: 0.95, withinSec: 10 } },
};

/** Undefined for what nobody outside may call. */
export function promisedOf(service: string, name: string, operation: OperationDescription): Promised | undefined {
  const { access, method, stream } = operation;
  if (access.every((kind) => kind === 'service')) return undefined;
  const single = own[`${service}.${name}`];
  if (single) return single;
  if (stream !== undefined) return streaming;
  if (!access.includes('anonymous') && !access.includes('customer')) return operating;
  return method === 'GET' ? browsing : changing;
}

/** All promises, by operation as `orders.place`. */
export function promises(contracts: readonly ServiceContract[]): ReadonlyMap<string, Promised> {
  const found = new Map<string, Promised>();
  for (const { service, operations } of contracts) {
    for (const [name, operation] of Object.entries(operations)) {
      const promised = promisedOf(service, name, operation);
      if (promised) found.set(`${service}.${name}`, promised);
    }
  }
  return found;
}

/** Names of the single promises, for a test that each is of an operation that there is. */
export const promisedByName: readonly string[] = Object.keys(own);
