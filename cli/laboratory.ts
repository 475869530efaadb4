import type { Faults } from '#contracts/operators';
import type { Laboratory } from '#edge/gateway';
import type { Logger } from '#kit/runtime';
import { composedServices } from './compose.ts';
import { askControl, type SystemStatus } from './control/index.ts';
import type { FaultSwitches } from './faults.ts';
import type { Mesh } from './mesh.ts';

export interface LaboratoryOptions {
  readonly dataDir: string;
  readonly switches: FaultSwitches;
  readonly mesh: Mesh | undefined;
  readonly log: Logger;
}

/** Carries the page by which everything is healed, so it is not broken by a switch. */
const unbreakable = 'gateway';

/** What the gateway hands to the Faults page. Processes are operated by the command that runs them, over its socket. */
export function createLaboratory({ dataDir, switches, mesh, log }: LaboratoryOptions): Laboratory {
  /** By service, the others of its process. A process that was killed leaves the directory, and is not forgotten here. */
  const known = new Map<string, readonly string[]>();

  function targets(): Faults['targets'] {
    for (const service of mesh ? [] : composedServices) known.set(service, []);
    for (const { services } of mesh?.directory.instances ?? []) {
      for (const service of services) {
        known.set(
          service,
          services.filter((other) => other !== service),
        );
      }
    }
    return [...known]
      .filter(([service, together]) => service !== unbreakable && !together.includes(unbreakable))
      .map(([service, together]) => ({ service, together: [...together] }))
      .sort((a, b) => (a.service < b.service ? -1 : 1));
  }

  return {
    current: switches.current,
    set: switches.set,
    targets,
    processes: {
      async list() {
        // All is the one process of the command: there is nothing to choose from.
        if (!mesh) return [];
        const { instances } = await askControl<SystemStatus>(dataDir, { method: 'GET', path: '/status' });
        return instances.map(({ name, services, state, restarts, pid, upMs, why }) => ({
          ...{ name, services: [...services], state, restarts },
          ...(pid === undefined ? {} : { pid }),
          ...(upMs === undefined ? {} : { upMs }),
          ...(why === undefined ? {} : { why }),
        }));
      },
      async kill(process) {
        await askControl(dataDir, { method: 'POST', path: '/kill', body: { process } });
      },
      async restart(process) {
        const body = { names: [process], rolling: true };
        askControl(dataDir, { method: 'POST', path: '/restart', body }).catch((error) =>
          log.error('a process could not be restarted', { process, error }),
        );
      },
    },
  };
}
