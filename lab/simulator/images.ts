import { seededRandom } from '#kit/runtime';
import { noDatabaseFaults } from './database-faults.ts';
import { drawErrands } from './draw-errands.ts';
import { drawPlan } from './draw-plan.ts';
import { calmMail } from './mail.ts';
import { calmNetwork } from './network.ts';
import { createImages, type Image } from './pglite/image.ts';
import type { Plan } from './plan.ts';
import { runSeed } from './run.ts';
import { imageDescriptions } from './tested-services.ts';
import { calmMerchants } from './webhooks/merchants.ts';

/** Seed of the run that warms the databases up. It is part of every digest, so it never changes. */
const warmSeed = 0;

/** Databases to run seeds on, one set a process. Takes seconds; each run then begins within a tenth of one. */
export async function prepareImages(): Promise<ReadonlyMap<string, Image>> {
  const images = new Map((await createImages(imageDescriptions)).map((image) => [image.name, image]));
  await runSeed({
    seed: warmSeed,
    images,
    plan: warmPlan(),
    onDatabase: (name, session) => images.get(name)?.keepWarm(session),
  });
  return images;
}

/** Everything once, and nothing goes wrong: as many of the services' statements as possible should be met. */
function warmPlan(): Plan {
  const drawn = drawPlan(warmSeed);
  const listeners = { notifications: 2, analytics: 2, assistant: 1, webhooks: 2 };
  const storefront = { carts: 2, tills: 2, gateway: 2, users: 2, products: 2 };
  return {
    ...drawn,
    instances: { orders: 2, inventory: 2, payments: 2 },
    readers: 2,
    listeners,
    storefront,
    ...drawErrands(seededRandom(warmSeed, 'warm/errands'), { ...drawn, listeners, storefront }),
    poison: true,
    lateRepeats: true,
    safetyMs: 20_000,
    network: calmNetwork,
    database: noDatabaseFaults,
    provider: [],
    mail: calmMail,
    merchants: calmMerchants,
    nemesis: [],
  };
}
