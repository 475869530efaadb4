import { type Random, seededRandom } from '#kit/runtime';
import type { Fault } from '#services/payments/sandbox';
import type { DatabaseFaults } from './database-faults.ts';
import { drawErrands } from './draw-errands.ts';
import { drawDatabaseCrashes, drawNemesis } from './draw-nemesis.ts';
import { drawOperations, drawStock } from './draw-operations.ts';
import { calmMail, type MailFaults } from './mail.ts';
import type { NetworkFaults } from './network.ts';
import type { Plan } from './plan.ts';
import { between, chance, pick } from './simulation.ts';
import { calmMerchants, type MerchantFaults } from './webhooks/merchants.ts';

/** Everything that a run is to meet, each concern from a stream of randomness of its own. */
export function drawPlan(seed: number): Plan {
  const draw = (name: string) => seededRandom(seed, `plan/${name}`);
  const shape = draw('shape');
  const instances = {
    orders: between(shape, 1, 3),
    inventory: between(shape, 1, 2),
    payments: between(shape, 1, 2),
  };
  const readers = chance(shape, 0.5) ? between(shape, 1, 2) : 0;
  const listeners = {
    ...drawListeners(draw('listeners')),
    assistant: chance(draw('assistant'), 0.2) ? 1 : 0,
    webhooks: someTimes(draw('webhooks'), 0.25),
  };
  const storefront = {
    ...drawStorefront(draw('storefront')),
    ...drawDoor(draw('door')),
    products: someTimes(draw('products'), catalogueShare),
  };
  const safetyMs = between(shape, 6_000, 16_000);
  const times = draw('times');
  const base = {
    seed,
    instances,
    readers,
    listeners,
    storefront,
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
    merchants: listeners.webhooks > 0 ? drawMerchants(draw('merchants')) : calmMerchants,
  };
  const stock = drawStock(draw('stock'));
  return {
    ...base,
    stock,
    operations: drawOperations(draw('operations'), stock, safetyMs),
    ...drawErrands(draw('errands'), { ...base, stock }),
    nemesis: [...drawNemesis(draw('nemesis'), base), ...drawDatabaseCrashes(draw('database-crash'), base)],
  };
}

const someTimes = (random: Random, share: number): number => (chance(random, share) ? between(random, 1, 2) : 0);

function drawStorefront(random: Random): Pick<Plan['storefront'], 'carts' | 'tills'> {
  return { carts: someTimes(random, 0.3), tills: someTimes(random, 0.3) };
}

/** Shares of runs: each of these makes a run cost almost twice as much. */
const doorShare = 0.15;
const catalogueShare = 0.15;

function drawDoor(random: Random): Pick<Plan['storefront'], 'gateway' | 'users'> {
  const gateway = someTimes(random, doorShare);
  return { gateway, users: gateway > 0 ? between(random, 1, 2) : 0 };
}

function drawListeners(random: Random): Pick<Plan['listeners'], 'notifications' | 'analytics'> {
  const some = () => (chance(random, 0.5) ? between(random, 1, 2) : 0);
  return { notifications: some(), analytics: some() };
}

function drawMail(random: Random): MailFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.3 : 0);
  return { unreachable: often(), lostReply: often(), stall: often() / 3 };
}

function drawMerchants(random: Random): MerchantFaults {
  const often = () => (chance(random, 0.5) ? random.next() * 0.3 : 0);
  return { unreachable: often(), refusal: often(), lostReply: often(), stall: often() / 3 };
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
