import { type Random, seededRandom } from '#kit/runtime';
import type { Fault } from '#services/payments/sandbox';
import type { DatabaseFaults } from './database-server.ts';
import { calmMail, type MailFaults } from './mail.ts';
import type { NetworkFaults } from './network.ts';
import { between, chance, pick } from './simulation.ts';

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
  readonly listeners: { readonly notifications: number; readonly analytics: number };
  /** Some events can't be handled: they must end among the dead letters, and hold up only their own order. */
  readonly poison: boolean;
  /** Keys are used again after more than a minute, when all sweeps have run. */
  readonly lateRepeats: boolean;
  readonly safetyMs: number;
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
  readonly stock: readonly StockPlan[];
  readonly operations: readonly Operation[];
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

export const databaseNames = ['orders', 'inventory', 'payments', 'log', 'notifications', 'analytics'] as const;
export type DatabaseName = (typeof databaseNames)[number];

/** Which nodes there are. */
type Shape = Pick<Plan, 'instances' | 'readers' | 'listeners'>;

/** The databases of a run. One that nobody uses costs time for nothing. */
export function databasesOf({ listeners }: Pick<Plan, 'listeners'>): DatabaseName[] {
  return databaseNames.filter((name) => (name !== 'notifications' && name !== 'analytics') || listeners[name] > 0);
}

export function nodesOf(plan: Shape): string[] {
  const named = (service: string, count: number) => Array.from({ length: count }, (_, i) => `${service}-${i + 1}`);
  const { orders, inventory, payments } = plan.instances;
  const { notifications, analytics } = plan.listeners;
  return [
    ...named('orders', orders),
    ...named('inventory', inventory),
    ...named('payments', payments),
    ...named('reader', plan.readers),
    ...named('notifications', notifications),
    ...named('analytics', analytics),
  ];
}

export function drawPlan(seed: number): Plan {
  const draw = (name: string) => seededRandom(seed, `plan/${name}`);
  const shape = draw('shape');
  const instances = {
    orders: between(shape, 1, 3),
    inventory: between(shape, 1, 2),
    payments: between(shape, 1, 2),
  };
  const readers = chance(shape, 0.5) ? between(shape, 1, 2) : 0;
  const listeners = drawListeners(draw('listeners'));
  const safetyMs = between(shape, 6_000, 16_000);
  const times = draw('times');
  const base = {
    seed,
    instances,
    readers,
    listeners,
    poison: readers > 0 && chance(shape, 0.3),
    lateRepeats: chance(shape, 0.2),
    safetyMs,
    latencyMs: pick(shape, [0.2, 0.5, 2]),
    skewMsMax: pick(times, [0, 50, 200]),
    databaseSkewMsMax: pick(times, [0, 0, 5_000, 3_600_000]),
    driftPpmMax: pick(times, [0, 0, 100, 1_000]),
    downMsMax: pick(times, [200, 2_000, 8_000]),
    network: drawNetwork(draw('network')),
    database: drawDatabase(draw('database')),
    provider: drawProvider(draw('provider')),
    mail: listeners.notifications > 0 ? drawMail(draw('mail')) : calmMail,
  };
  const stock = drawStock(draw('stock'));
  return {
    ...base,
    stock,
    operations: drawOperations(draw('operations'), stock, safetyMs),
    nemesis: [...drawNemesis(draw('nemesis'), base), ...drawDatabaseCrashes(draw('database-crash'), base)],
  };
}

function drawListeners(random: Random): Plan['listeners'] {
  const some = () => (chance(random, 0.5) ? between(random, 1, 2) : 0);
  return { notifications: some(), analytics: some() };
}

function drawMail(random: Random): MailFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.3 : 0);
  return { unreachable: often(), lostReply: often(), stall: often() / 3 };
}

function drawNetwork(random: Random): NetworkFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.06 : 0);
  return { delayMs: pick(random, [0.3, 1, 5, 30]), loss: often(), duplication: often(), straggler: often() };
}

function drawDatabase(random: Random): DatabaseFaults {
  const often = (most: number) => (chance(random, 0.5) ? random.next() * most : 0);
  return { crash: often(0.004), connectionLoss: often(0.01), unknownCommit: often(0.04), deadlock: often(0.02) };
}

function drawProvider(random: Random): Fault[] {
  const faults: Fault[] = [];
  const probability = 0.02 + random.next() * 0.15;
  const add = (fault: Fault) => {
    if (chance(random, 0.35)) faults.push(fault);
  };
  add({ do: 'drop-reply', probability });
  add({ do: 'drop-request', probability });
  add({ do: 'error', status: 500, at: 'before', probability });
  add({ do: 'error', status: 500, at: 'after', probability });
  add({ do: 'stall', ms: between(random, 100, 7_000), at: 'before', probability });
  add({ do: 'stall', ms: between(random, 100, 7_000), at: 'after', probability });
  add({ do: 'decline', code: 'insufficient_funds', probability });
  return faults;
}

function drawStock(random: Random): StockPlan[] {
  return Array.from({ length: between(random, 2, 4) }, (_, i) => ({
    sku: `SKU-${i + 1}`,
    quantity: pick(random, [2, 6, 25]),
    unitPriceMinor: pick(random, [100, 250, 1999]),
  }));
}

const operationsMax = 26;

function drawOperations(random: Random, stock: readonly StockPlan[], safetyMs: number): Operation[] {
  const operations: Operation[] = [];
  const count = between(random, 14, operationsMax);
  const twins = () => (chance(random, 0.25) ? between(random, 1, 2) : 0);
  for (let id = 0; id < count; id++) {
    const atMs = Math.floor(random.next() * safetyMs * 0.9);
    const placed = operations.filter((operation) => operation.kind === 'place');
    const kind = placed.length < 3 ? 'place' : drawKind(random);
    const { sku } = pick(random, stock);
    if (kind === 'place') operations.push({ id, atMs, ...drawOrder(random, stock), twins: twins() });
    else if (kind === 'look') operations.push({ id, atMs, kind, sku });
    else if (kind === 'receive')
      operations.push({ id, atMs, kind, sku, quantity: between(random, 1, 9), twins: twins() });
    else if (kind === 'adjust')
      operations.push({ id, atMs, kind, sku, quantity: pick(random, [-2, -1, 1]), twins: twins() });
    else {
      const common = { id, atMs, of: pick(random, placed).id, twins: twins() };
      if (kind === 'return') operations.push({ ...common, kind, sellable: chance(random, 0.7) });
      else if (kind === 'refund') operations.push({ ...common, kind, share: pick(random, [0.1, 0.5, 1]) });
      else operations.push({ ...common, kind });
    }
  }
  return operations;
}

type Kind = Operation['kind'];

function drawKind(random: Random): Kind {
  const weights: readonly (readonly [Kind, number])[] = [
    ['place', 46],
    ['cancel', 10],
    ['return', 9],
    ['refund', 6],
    ['abandon', 9],
    ['read', 6],
    ['look', 8],
    ['receive', 3],
    ['adjust', 3],
  ];
  let dice = random.next() * 100;
  for (const [kind, weight] of weights) {
    dice -= weight;
    if (dice < 0) return kind;
  }
  return 'place';
}

function drawOrder(random: Random, stock: readonly StockPlan[]) {
  const chosen = stock.filter(() => chance(random, 0.5));
  const lines = (chosen.length > 0 ? chosen : stock.slice(0, 1)).map(({ sku }) => ({
    sku,
    quantity: between(random, 1, 3),
  }));
  const person = between(random, 1, 5);
  return {
    kind: 'place',
    customer: chance(random, 0.5) ? `usr_${person}` : undefined,
    email: `shopper${person}@example.com`,
    lines,
    method: chance(random, 0.12) ? 'pm_card_chargeDeclined' : 'pm_card_visa',
    mismatch: chance(random, 0.1),
  } as const;
}

const nemesisEventsMax = 10;

/** Share of runs in which a database server is killed: its recovery costs as much real time as many a run. */
const databaseCrashShare = 0.1;

const databaseCrashesMax = 3;

function drawDatabaseCrashes(random: Random, plan: Shape & Pick<Plan, 'safetyMs'>): NemesisEvent[] {
  if (!chance(random, databaseCrashShare)) return [];
  return Array.from({ length: between(random, 1, databaseCrashesMax) }, () => ({
    kind: 'database-crash',
    atMs: Math.floor((0.1 + 0.85 * random.next()) * plan.safetyMs),
    database: pick(random, databasesOf(plan)),
    forMs: between(random, 50, 4_000),
  }));
}

function drawNemesis(random: Random, plan: Shape & Pick<Plan, 'safetyMs'>): NemesisEvent[] {
  const kinds = (
    [
      'crash',
      'restart',
      'pause',
      'partition',
      'isolate',
      'slow-link',
      'slow-database',
      'database-outage',
      'clock-step',
    ] as const
  ).filter(() => chance(random, 0.45));
  if (kinds.length === 0) return [];
  const nodes = nodesOf(plan);
  const everyone = [...nodes, 'shoppers'];
  const databases = databasesOf(plan);
  const draw = (): NemesisEvent => {
    const atMs = Math.floor(random.next() * plan.safetyMs);
    const forMs = Math.floor(pick(random, [100, 1_500, 7_000, 18_000]) * (0.5 + random.next()));
    const node = pick(random, nodes);
    const kind = pick(random, kinds);
    switch (kind) {
      case 'crash':
      case 'restart':
        return { kind, atMs, node };
      case 'pause':
      case 'isolate':
        return { kind, atMs, node, forMs };
      case 'partition':
        return { kind, atMs, from: pick(random, everyone), to: node, bothWays: chance(random, 0.5), forMs };
      case 'slow-link':
        return { kind, atMs, from: pick(random, everyone), to: node, factor: pick(random, [10, 100]), forMs };
      case 'slow-database':
        return { kind, atMs, database: pick(random, databases), factor: pick(random, [20, 200]), forMs };
      case 'database-outage':
        return { kind, atMs, database: pick(random, databases), forMs };
      case 'clock-step':
        return chance(random, 0.7)
          ? // Sixteen minutes ahead: every hold and every lease is over at once.
            {
              kind,
              atMs,
              node: `db-${chance(random, 0.5) ? 'inventory' : pick(random, databases)}`,
              byMs: pick(random, [-20_000, 2_000, 16 * 60_000, 16 * 60_000]),
            }
          : { kind, atMs, node, byMs: pick(random, [-20_000, -700, 300, 2_000]) };
    }
  };
  return Array.from({ length: between(random, 1, nemesisEventsMax) }, draw);
}
