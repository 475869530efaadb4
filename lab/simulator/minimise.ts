import type { Bug } from './bugs/index.ts';
import { noDatabaseFaults } from './database-faults.ts';
import { calmMail } from './mail.ts';
import { calmNetwork } from './network.ts';
import type { Image } from './pglite/image.ts';
import type { ErrandKind, Plan } from './plan.ts';
import { type RunResult, runSeed } from './run.ts';
import { calmMerchants } from './webhooks/merchants.ts';

export interface MinimiseOptions {
  readonly plan: Plan;
  readonly images: ReadonlyMap<string, Image>;
  readonly bug?: Bug;
  /** Runs it may cost. Default 120. */
  readonly runsMax?: number;
  readonly onProgress?: (plan: Plan, runs: number) => void;
}

/**
 * Makes a failing plan smaller as long as one of the same checks fails: whole kinds of fault first, then single faults
 * and operations by halves (delta debugging, Zeller and Hildebrandt 2002), then instances.
 */
export async function minimise(options: MinimiseOptions): Promise<{ readonly plan: Plan; readonly runs: number }> {
  const { images, bug, runsMax = 120, onProgress } = options;
  let best = options.plan;
  let runs = 0;
  const wanted = new Set(checksOf(await run(best)));
  if (wanted.size === 0) throw new Error(`seed ${best.seed} does not fail: there is nothing to minimise`);

  async function run(plan: Plan): Promise<RunResult> {
    runs += 1;
    return runSeed({ seed: plan.seed, plan, images, ...(bug ? { bug } : {}) });
  }

  /** Takes the smaller plan if it fails as well. */
  async function attempt(plan: Plan): Promise<boolean> {
    if (runs >= runsMax) return false;
    const fails = checksOf(await run(plan)).some((check) => wanted.has(check));
    if (!fails) return false;
    best = plan;
    onProgress?.(best, runs);
    return true;
  }

  await leaveKindsOut(() => best, attempt);
  await shrinkList(
    () => best.nemesis,
    (nemesis) => attempt({ ...best, nemesis }),
  );
  await shrinkList(
    () => best.operations,
    // What is left of an order that is gone has nothing to do.
    (operations) => {
      const ids = new Set(operations.map(({ id }) => id));
      const kept = operations.filter((operation) => !('of' in operation) || ids.has(operation.of));
      return attempt({ ...best, operations: kept });
    },
  );
  await shrinkList(
    () => best.errands,
    (errands) => attempt({ ...best, errands }),
  );
  for (const service of ['orders', 'inventory', 'payments'] as const) {
    if (best.instances[service] > 1) await attempt({ ...best, instances: { ...best.instances, [service]: 1 } });
  }
  return { plan: best, runs };
}

const without = ({ errands }: Plan, ...kinds: readonly ErrandKind[]): Pick<Plan, 'errands'> => ({
  errands: errands.filter(({ kind }) => !kinds.includes(kind)),
});

const checksOf = (result: RunResult): string[] => result.violations.map(({ check }) => check);

async function leaveKindsOut(best: () => Plan, attempt: (plan: Plan) => Promise<boolean>): Promise<void> {
  const simpler: readonly ((plan: Plan) => Plan)[] = [
    (plan) => ({ ...plan, nemesis: [] }),
    (plan) => ({ ...plan, network: calmNetwork }),
    (plan) => ({ ...plan, database: noDatabaseFaults }),
    (plan) => ({ ...plan, provider: [] }),
    (plan) => ({ ...plan, readers: 0, poison: false }),
    (plan) => ({ ...plan, listeners: { ...plan.listeners, notifications: 0 } }),
    (plan) => ({ ...plan, listeners: { ...plan.listeners, analytics: 0 } }),
    (plan) => ({ ...plan, listeners: { ...plan.listeners, assistant: 0 }, ...without(plan, 'ask'), news: [] }),
    (plan) => ({ ...plan, listeners: { ...plan.listeners, webhooks: 0 }, ...without(plan, 'endpoint') }),
    (plan) => ({ ...plan, storefront: { ...plan.storefront, carts: 0 }, ...without(plan, 'shopping') }),
    (plan) => ({ ...plan, storefront: { ...plan.storefront, tills: 0 }, ...without(plan, 'till') }),
    (plan) => ({
      ...plan,
      ...{ storefront: { ...plan.storefront, gateway: 0, users: 0 }, ...without(plan, 'session', 'program') },
    }),
    (plan) => ({ ...plan, storefront: { ...plan.storefront, products: 0 }, ...without(plan, 'reprice') }),
    (plan) => ({ ...plan, mail: calmMail, merchants: calmMerchants }),
    (plan) => ({ ...plan, lateRepeats: false }),
    (plan) => ({ ...plan, skewMsMax: 0, databaseSkewMsMax: 0, driftPpmMax: 0 }),
    ...(['loss', 'duplication', 'straggler'] as const).map((name) => (plan: Plan) => ({
      ...plan,
      network: { ...plan.network, [name]: 0 },
    })),
    ...(['crash', 'connectionLoss', 'unknownCommit', 'deadlock'] as const).map((name) => (plan: Plan) => ({
      ...plan,
      database: { ...plan.database, [name]: 0 },
    })),
  ];
  for (const simplify of simpler) {
    const plan = simplify(best());
    if (JSON.stringify(plan) !== JSON.stringify(best())) await attempt(plan);
  }
}

/** Leaves out pieces of a list: halves, quarters … down to single entries. */
async function shrinkList<T>(
  list: () => readonly T[],
  attempt: (shorter: readonly T[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.ceil(list().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < list().length; ) {
      const shorter = [...list().slice(0, start), ...list().slice(start + size)];
      if (!(await attempt(shorter))) start += size;
    }
  }
}
