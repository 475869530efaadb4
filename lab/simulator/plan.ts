import type { webhookTypes } from '#contracts/webhooks';
import type { Fault } from '#services/payments/sandbox';
import type { DatabaseFaults } from './database-faults.ts';
import type { MailFaults } from './mail.ts';
import type { NetworkFaults } from './network.ts';
import type { MerchantFaults } from './webhooks/merchants.ts';

/**
 * Everything about a run that is decided before it begins. Plain data, so that a failing run can be made smaller by
 * leaving things out. Which faults there are at all is drawn too (swarm testing, Groce et al., ISSTA 2012): a run in
 * which everything happens hides what needs one fault often.
 */
export interface Plan {
  readonly seed: number;
  readonly instances: { readonly orders: number; readonly inventory: number; readonly payments: number };
  /** A consumer of the lab's own, whose rows tell more than a service's: how often, and in which order. */
  readonly readers: number;
  /** Services that follow the log. */
  readonly listeners: {
    readonly notifications: number;
    readonly analytics: number;
    readonly assistant: number;
    readonly webhooks: number;
  };
  /** What people come to besides orders, and by what. Where there is a gateway they come through it, and users knows them. */
  readonly storefront: {
    readonly carts: number;
    readonly tills: number;
    readonly gateway: number;
    readonly users: number;
    /** Without it names and prices come from this plan. */
    readonly products: number;
  };
  /** Some events can't be handled: they must end among the dead letters, and hold up only their own order. */
  readonly poison: boolean;
  /** Keys are used again after more than a minute, when all sweeps have run. */
  readonly lateRepeats: boolean;
  readonly safetyMs: number;
  /** All that is left to do after the faults have ended has to be done within this. Default: as long as it may take. */
  readonly livenessMs?: number;
  readonly latencyMs: number;
  /** How wrong the clocks of processes are. Beyond 500 ms they would refuse one another, so that is for the nemesis. */
  readonly skewMsMax: number;
  /** Clocks of databases are asked by nobody but their own statements. */
  readonly databaseSkewMsMax: number;
  readonly driftPpmMax: number;
  /** How long a process that died stays away, at most. */
  readonly downMsMax: number;
  readonly network: NetworkFaults;
  readonly database: DatabaseFaults;
  readonly provider: readonly Fault[];
  readonly mail: MailFaults;
  /** What posts to merchants run into. */
  readonly merchants: MerchantFaults;
  readonly stock: readonly StockPlan[];
  readonly operations: readonly Operation[];
  readonly errands: readonly Errand[];
  /** What the catalogue tells the log of. */
  readonly news: readonly NewsPlan[];
  readonly nemesis: readonly NemesisEvent[];
}

export interface StockPlan {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
}

interface Timed {
  readonly id: number;
  readonly atMs: number;
}

export type Operation = Timed &
  (
    | {
        readonly kind: 'place';
        readonly customer: string | undefined;
        readonly email: string;
        readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
        readonly method: string;
        /** The same request from as many more tabs at the same moment. */
        readonly twins: number;
        /** Afterwards the key is tried with another payload. */
        readonly mismatch: boolean;
      }
    | { readonly kind: 'cancel' | 'read' | 'abandon'; readonly of: number; readonly twins: number }
    | { readonly kind: 'return'; readonly of: number; readonly sellable: boolean; readonly twins: number }
    | { readonly kind: 'refund'; readonly of: number; readonly share: number; readonly twins: number }
    | { readonly kind: 'receive' | 'adjust'; readonly sku: string; readonly quantity: number; readonly twins: number }
    | { readonly kind: 'look'; readonly sku: string }
  );

export type OperationKind = Operation['kind'];

export interface UnitsOfSku {
  readonly sku: string;
  readonly quantity: number;
}

/** What people do with carts, tills, the assistant, their accounts and the catalogue, and what programs do. */
export type Errand = Timed &
  (
    | {
        readonly kind: 'shopping';
        readonly customer: string;
        /** On the device where the customer is not signed in yet, or on another. `twins`: pressed so much more often. */
        readonly adds: readonly (UnitsOfSku & {
          readonly device: 'guest' | 'own';
          readonly waitMs: number;
          readonly twins: number;
        })[];
        readonly joinTwins: number;
        /** Undefined: the cart is left standing. */
        readonly method: string | undefined;
      }
    | {
        readonly kind: 'till';
        readonly stockUp: readonly UnitsOfSku[];
        readonly sales: readonly { readonly lines: readonly (UnitsOfSku & { readonly unitPriceMinor: number })[] }[];
        readonly offlineMs: number;
        /** Entries that it tells at once. */
        readonly piece: number;
        readonly twins: number;
        readonly handBack: UnitsOfSku | undefined;
      }
    | { readonly kind: 'ask'; readonly sku: string; readonly times: number }
    | {
        readonly kind: 'session';
        readonly exchanges: number;
        /** The same token from as many more tabs at the same moment. */
        readonly twins: number;
        /** Afterwards somebody comes with a token that was used up long ago. */
        readonly stolen: boolean;
      }
    | {
        readonly kind: 'reprice';
        readonly sku: string;
        /** People who change the same product at once, each so many times. */
        readonly editors: number;
        readonly times: number;
      }
    | {
        /** A merchant's system that wants to hear of these types; of all where there is none. */
        readonly kind: 'endpoint';
        readonly types: readonly WebhookType[];
        /** Away for so long, this long after it was made: longer than posts are tried. */
        readonly awayAfterMs: number;
        readonly awayMs: number;
        readonly rotates: boolean;
        readonly twins: number;
      }
    | {
        /** A program that comes in by an API key, which is revoked while it is at work. */
        readonly kind: 'program';
        readonly usesBefore: number;
        readonly usesAfter: number;
        readonly restMs: number;
      }
  );

export type WebhookType = (typeof webhookTypes)[number];

export type ErrandKind = Errand['kind'];

export interface NewsPlan {
  /** After the news of this product before. */
  readonly afterMs: number;
  readonly sku: string;
  readonly version: number;
}

export type NemesisEvent =
  | { readonly kind: 'crash' | 'restart'; readonly atMs: number; readonly node: string }
  | { readonly kind: 'pause'; readonly atMs: number; readonly node: string; readonly forMs: number }
  | {
      readonly kind: 'partition';
      readonly atMs: number;
      readonly from: string;
      readonly to: string;
      readonly bothWays: boolean;
      readonly forMs: number;
    }
  | { readonly kind: 'isolate'; readonly atMs: number; readonly node: string; readonly forMs: number }
  | {
      readonly kind: 'slow-link';
      readonly atMs: number;
      readonly from: string;
      readonly to: string;
      readonly factor: number;
      readonly forMs: number;
    }
  | {
      readonly kind: 'slow-database';
      readonly atMs: number;
      readonly database: string;
      readonly factor: number;
      readonly forMs: number;
    }
  | {
      /** An outage ends the server in order; a crash leaves it nothing but its files, from which it has to recover. */
      readonly kind: 'database-outage' | 'database-crash';
      readonly atMs: number;
      readonly database: string;
      readonly forMs: number;
    }
  | { readonly kind: 'clock-step'; readonly atMs: number; readonly node: string; readonly byMs: number };

export type NemesisKind = NemesisEvent['kind'];

export const databaseNames = [
  'orders',
  'inventory',
  'payments',
  'log',
  'notifications',
  'analytics',
  'assistant',
  'carts',
  'tills',
  'users',
  'products',
  'webhooks',
  'gateway',
] as const;
export type DatabaseName = (typeof databaseNames)[number];

/** Which nodes there are. */
export type Shape = Pick<Plan, 'instances' | 'readers' | 'listeners' | 'storefront'>;

/** The databases of a run. One that nobody uses costs time for nothing. */
export function databasesOf({ listeners, storefront }: Pick<Plan, 'listeners' | 'storefront'>): DatabaseName[] {
  const optional: Partial<Record<DatabaseName, number>> = { ...listeners, ...storefront };
  return databaseNames.filter((name) => optional[name] !== 0);
}

export function nodesOf(plan: Shape): string[] {
  const named = (service: string, count: number) => Array.from({ length: count }, (_, i) => `${service}-${i + 1}`);
  const { orders, inventory, payments } = plan.instances;
  const { notifications, analytics, assistant, webhooks } = plan.listeners;
  const { carts, tills, gateway, users, products } = plan.storefront;
  return [
    ...named('orders', orders),
    ...named('inventory', inventory),
    ...named('payments', payments),
    ...named('reader', plan.readers),
    ...named('notifications', notifications),
    ...named('analytics', analytics),
    ...named('assistant', assistant),
    ...named('carts', carts),
    ...named('tills', tills),
    ...named('gateway', gateway),
    ...named('users', users),
    ...named('products', products),
    ...named('webhooks', webhooks),
  ];
}
