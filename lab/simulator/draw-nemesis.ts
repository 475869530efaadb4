import type { Random } from '#kit/runtime';
import { databasesOf, type NemesisEvent, type NemesisKind, nodesOf, type Plan, type Shape } from './plan.ts';
import { between, chance, pick } from './simulation.ts';

const nemesisEventsMax = 10;

/** Share of runs in which a database server is killed: its recovery costs as much real time as many a run. */
const databaseCrashShare = 0.1;

const databaseCrashesMax = 3;

type Stage = Shape & Pick<Plan, 'safetyMs'>;

export function drawDatabaseCrashes(random: Random, stage: Stage): NemesisEvent[] {
  if (!chance(random, databaseCrashShare)) return [];
  return Array.from({ length: between(random, 1, databaseCrashesMax) }, () => drawDatabaseCrash(random, stage));
}

function drawDatabaseCrash(random: Random, stage: Stage): NemesisEvent {
  return {
    kind: 'database-crash',
    atMs: Math.floor((0.1 + 0.85 * random.next()) * stage.safetyMs),
    database: pick(random, databasesOf(stage)),
    forMs: between(random, 50, 4_000),
  };
}

/** Database crashes have a draw of their own, as there are to be few. */
const nemesisKinds = [
  'crash',
  'restart',
  'pause',
  'partition',
  'isolate',
  'slow-link',
  'slow-database',
  'database-outage',
  'clock-step',
] as const satisfies readonly NemesisKind[];

export function drawNemesis(random: Random, stage: Stage): NemesisEvent[] {
  const kinds = nemesisKinds.filter(() => chance(random, 0.45));
  if (kinds.length === 0) return [];
  return Array.from({ length: between(random, 1, nemesisEventsMax) }, () => drawNemesisEvent(random, kinds, stage));
}

/** One fault of one of these kinds, some time, somewhere. */
export function drawNemesisEvent(random: Random, kinds: readonly NemesisKind[], stage: Stage): NemesisEvent {
  const nodes = nodesOf(stage);
  const everyone = [...nodes, 'shoppers'];
  const databases = databasesOf(stage);
  const atMs = Math.floor(random.next() * stage.safetyMs);
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
    case 'database-crash':
      return drawDatabaseCrash(random, stage);
    case 'clock-step':
      return drawClockStep(random, atMs, node, databases);
  }
}

function drawClockStep(random: Random, atMs: number, node: string, databases: readonly string[]): NemesisEvent {
  if (!chance(random, 0.7)) return { kind: 'clock-step', atMs, node, byMs: pick(random, [-20_000, -700, 300, 2_000]) };
  const database = chance(random, 0.5) ? 'inventory' : pick(random, databases);
  // Sixteen minutes ahead: every hold and every lease is over at once.
  const byMs = pick(random, [-20_000, 2_000, 16 * 60_000, 16 * 60_000]);
  return { kind: 'clock-step', atMs, node: `db-${database}`, byMs };
}
