import type { Component } from '#kit/runtime';
import { createFaultSwitches, type FaultSwitches } from './faults.ts';
import type { ServicesOptions } from './services.ts';

export interface FaultSurround {
  readonly faults: FaultSwitches;
  /** What was given, as the services of this process are to see it. */
  readonly options: ServicesOptions;
  /** In the order in which they begin. */
  readonly components: readonly Component[];
}

/**
 * Puts the fault laboratory round the services of a process. Among several processes its clock and its connections are the
 * process's own; in one process each service has its own (`mortals.ts`). Whatever runs the gateway is left alone.
 */
export async function surroundByFaults(given: ServicesOptions): Promise<FaultSurround> {
  const { mesh, services, seams } = given;
  const faults = createFaultSwitches({ ...given, hasConnections: mesh !== undefined });
  if (!mesh || services.includes('gateway')) return { faults, options: given, components: [faults.component] };
  const { openFaultLink } = await import('./fault-link.ts');
  const link = await openFaultLink({ world: given.world, services, at: mesh, faults });
  const leave = (signal: AbortSignal) => faults.leave(services, signal);
  return {
    faults,
    options: { ...given, world: faults.worldOf(services), seams: { ...seams, leave, reachedAt: link.address } },
    components: [link.component, faults.component],
  };
}
