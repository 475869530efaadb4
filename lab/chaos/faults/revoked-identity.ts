import { createPostgresRegistry } from '#kit/mesh';
import { createDatabase } from '#kit/store';
import { endProcess } from '../os.ts';
import type { Rig } from '../rig.ts';
import type { Fault } from './fault.ts';
import { victimOf } from './kill.ts';
import { countRefusals, meshTargets } from './mesh.ts';

/** As long as any certificate of the mesh lives. */
const keptMs = 3_600_000;
/** Digits of a serial number, for people. */
const serialShown = 8;

export const revokedIdentity: Fault = {
  name: 'revoked-identity',
  class: 'process',
  does: 'takes the certificate of a process out of use for ever, as after a theft: it lives, and nobody talks to it',
  durationMs: [1_500, 5_000],
  targets: meshTargets,
  async inject(rig, target) {
    await victimOf(rig, target).alive();
    const process = rig.processes.get(target);
    const serial = process?.serial ?? '';
    const refusals = countRefusals(rig, target, serial);
    await revoke(rig, serial);
    return {
      detail: `${serial.slice(0, serialShown)}…`,
      effects: refusals,
      // Its next start has a new key, and a new certificate. It may have renewed by itself before.
      heal: () => void endProcess(process?.serial === serial ? process.pid : undefined),
    };
  },
};

async function revoke(rig: Rig, serial: string): Promise<void> {
  const database = createDatabase({
    url: rig.postgres.urlOf('log'),
    name: 'revocation',
    ...rig.world,
    connectionsMax: 1,
  });
  try {
    await createPostgresRegistry({ database }).revoke(serial, keptMs);
  } finally {
    await database.close();
  }
}
