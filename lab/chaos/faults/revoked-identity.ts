import { createPostgresRegistry } from '#kit/mesh';
import { createDatabase } from '#kit/store';
import { endProcess } from '../os.ts';
import type { Rig } from '../rig.ts';
import type { Fault } from './fault.ts';
import { victimOf } from './kill.ts';

/** As long as any certificate of the mesh lives. */
const keptMs = 3_600_000;

export const revokedIdentity: Fault = {
  name: 'revoked-identity',
  class: 'process',
  does: 'takes the certificate of a process out of use, as if it had expired: it lives, and nobody talks to it',
  durationMs: [1_500, 5_000],
  targets: ({ processes }) =>
    processes.length > 1 ? processes.filter(({ services }) => !services.includes('edge')).map(({ name }) => name) : [],
  async inject(rig, target) {
    await victimOf(rig, target).alive();
    const serial = rig.processes.get(target)?.serial ?? '';
    await revoke(rig, serial);
    return {
      detail: serial,
      // Told to everybody in about the time of a NOTIFY; whoever calls it, or is called by it, sees a refusal.
      effects: () => (serial === '' ? 0 : 1),
      // Its next start has a new key, and a new certificate.
      heal: () => void endProcess(rig.processes.get(target)?.pid),
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
