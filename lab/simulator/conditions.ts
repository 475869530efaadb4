import { type Random, seededRandom } from '#kit/runtime';
import type { Fault } from '#services/payments/sandbox';
import type { DatabaseFaults } from './database-faults.ts';
import { drawErrand, drawErrands, firstErrand } from './draw-errands.ts';
import { drawNemesisEvent } from './draw-nemesis.ts';
import { drawMoment, drawOperation } from './draw-operations.ts';
import { drawPlan } from './draw-plan.ts';
import type { MailFaults } from './mail.ts';
import type { NetworkFaults } from './network.ts';
import {
  type Errand,
  type ErrandKind,
  type NemesisEvent,
  type NemesisKind,
  nodesOf,
  type Operation,
  type OperationKind,
  type Plan,
} from './plan.ts';
import { pick } from './simulation.ts';
import type { MerchantFaults } from './webhooks/merchants.ts';

/**
 * What a run should have for certain: the faults and the work that a mistake needs to show. When they strike, and whom,
 * is drawn as ever, so nothing is staged; they only keep a small change of the product's timing from hiding for a hundred
 * seeds what is found in three. Numbers are lower bounds: a seed may have drawn more.
 */
export interface Conditions {
  readonly network?: Partial<NetworkFaults>;
  readonly database?: Partial<DatabaseFaults>;
  readonly mail?: Partial<MailFaults>;
  readonly merchants?: Partial<MerchantFaults>;
  /** Besides those that were drawn. */
  readonly provider?: readonly Fault[];
  readonly instances?: Partial<Plan['instances']>;
  readonly readers?: number;
  readonly listeners?: Partial<Plan['listeners']>;
  readonly storefront?: Partial<Plan['storefront']>;
  readonly skewMsMax?: number;
  readonly databaseSkewMsMax?: number;
  readonly poison?: boolean;
  readonly lateRepeats?: boolean;
  /** Units of each SKU: with few, most orders are refused. */
  readonly units?: number;
  /** Share of orders whose card is declined. */
  readonly declined?: number;
  /** Besides those that were drawn. */
  readonly operations?: readonly (readonly [kind: OperationKind, count: number])[];
  /** Besides those that were drawn. */
  readonly errands?: readonly (readonly [kind: ErrandKind, count: number])[];
  readonly nemesis?: readonly NemesisWanted[];
  /** For what never ends: a bound, not a least. The same run without the bug has to keep it too. */
  readonly livenessMs?: number;
}

export interface NemesisWanted {
  readonly kind: NemesisKind;
  readonly count: number;
  /** Whom it hits: one of the nodes of a service, its database, or a node by name. Default: anybody. */
  readonly on?: string;
  readonly forMs?: number;
  readonly byMs?: number;
}

/** The plan of a seed, under conditions. */
export function planOf(seed: number, conditions: Conditions = {}): Plan {
  const drawn = drawPlan(seed);
  const stream = (name: string) => seededRandom(seed, `conditions/${name}`);
  const {
    network,
    database,
    mail,
    merchants,
    instances,
    listeners,
    storefront,
    readers = 0,
    skewMsMax = 0,
    databaseSkewMsMax = 0,
    units = 0,
  } = conditions;
  const plan: Plan = {
    ...drawn,
    network: atLeast(drawn.network, network),
    database: atLeast(drawn.database, database),
    mail: atLeast(drawn.mail, mail),
    merchants: atLeast(drawn.merchants, merchants),
    instances: atLeast(drawn.instances, instances),
    listeners: atLeast(drawn.listeners, listeners),
    storefront: withUsers(atLeast(drawn.storefront, storefront)),
    readers: Math.max(drawn.readers, readers),
    skewMsMax: Math.max(drawn.skewMsMax, skewMsMax),
    databaseSkewMsMax: Math.max(drawn.databaseSkewMsMax, databaseSkewMsMax),
    poison: drawn.poison || conditions.poison === true,
    lateRepeats: drawn.lateRepeats || conditions.lateRepeats === true,
    provider: [...drawn.provider, ...(conditions.provider ?? [])],
    stock: drawn.stock.map((stock) => ({ ...stock, quantity: Math.max(stock.quantity, units) })),
    ...(conditions.livenessMs === undefined ? {} : { livenessMs: conditions.livenessMs }),
  };
  const operations = [...plan.operations, ...moreOperations(plan, conditions, stream('operations'))];
  return {
    ...plan,
    ...moreErrands(plan, conditions, stream('errands')),
    operations: declineSome(operations, conditions.declined ?? 0, stream('cards')),
    nemesis: [...plan.nemesis, ...moreFaults(plan, conditions, stream('nemesis'))],
  };
}

/** Who comes through a door has an account. */
const withUsers = (storefront: Plan['storefront']): Plan['storefront'] =>
  storefront.gateway > 0 ? atLeast(storefront, { users: 1 }) : storefront;

function atLeast<T extends { readonly [Name in keyof T]: number }>(drawn: T, wanted: Partial<T> = {}): T {
  const raised: Record<string, number> = { ...drawn };
  for (const [name, least] of Object.entries(wanted) as [string, number][]) {
    raised[name] = Math.max(raised[name] ?? 0, least);
  }
  return raised as T;
}

function moreOperations(plan: Plan, { operations = [] }: Conditions, random: Random): Operation[] {
  const { stock, safetyMs } = plan;
  const placed = plan.operations.filter(({ kind }) => kind === 'place');
  const kinds = operations.flatMap(([kind, count]) => Array.from({ length: count }, () => kind));
  return kinds.map((kind, i) => {
    const atMs = drawMoment(random, safetyMs);
    return drawOperation(random, { id: plan.operations.length + i, atMs, kind, stock, placed });
  });
}

/** Where a condition brings a service along that the seed did not draw, its errands are drawn anew. */
function moreErrands(plan: Plan, { listeners, storefront, errands = [] }: Conditions, random: Random) {
  const drawn = listeners || storefront ? drawErrands(random, plan) : plan;
  const kinds = errands.flatMap(([kind, count]) => Array.from({ length: count }, () => kind));
  const { stock, safetyMs } = plan;
  const more = kinds.map(
    (kind, i): Errand => drawErrand(random, { id: firstErrand + drawn.errands.length + i, kind, stock, safetyMs }),
  );
  return { errands: [...drawn.errands, ...more], news: drawn.news };
}

function declineSome(operations: readonly Operation[], share: number, random: Random): readonly Operation[] {
  if (share === 0) return operations;
  return operations.map((operation) =>
    operation.kind === 'place' && random.next() < share
      ? { ...operation, method: 'pm_card_chargeDeclined' }
      : operation,
  );
}

function moreFaults(plan: Plan, { nemesis = [] }: Conditions, random: Random): Plan['nemesis'] {
  return nemesis.flatMap((wanted) =>
    Array.from({ length: wanted.count }, () =>
      asWanted(drawNemesisEvent(random, [wanted.kind], plan), wanted, plan, random),
    ),
  );
}

function asWanted(event: NemesisEvent, wanted: NemesisWanted, plan: Plan, random: Random): NemesisEvent {
  const { on, forMs, byMs } = wanted;
  let other = event;
  if (on !== undefined && 'database' in other) other = { ...other, database: on };
  if (on !== undefined && 'node' in other) {
    const nodes = nodesOf(plan).filter((node) => node.startsWith(`${on}-`));
    other = { ...other, node: nodes.length > 0 ? pick(random, nodes) : on };
  }
  if (forMs !== undefined && 'forMs' in other) other = { ...other, forMs };
  if (byMs !== undefined && 'byMs' in other) other = { ...other, byMs };
  return other;
}
