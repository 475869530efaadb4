import { createLayer7, createPool, type Layer7, type Member } from '#edge/balancer';
import type { Directory, Instance } from '#kit/mesh';
import type { Component } from '#kit/runtime';
import type { Telemetry } from '#kit/telemetry';
import type { Address, Door } from './doors.ts';
import type { Seams, ServicesOptions } from './services.ts';

export interface FrontBalancer {
  readonly layer7: Layer7;
  /** In start order. */
  readonly components: readonly Component[];
}

/** Spreads requests over the gateways that the mesh knows. */
export function createFrontBalancer(
  { world, mesh, seams, isBehindEdge = false }: ServicesOptions,
  directory: Directory,
  at: Address,
  handle: Door | undefined,
  telemetry: Telemetry,
): FrontBalancer {
  const members = gatewaysIn(directory, seams?.doorOf);
  const pool = createPool({ world, name: 'gateways', members, zone: mesh?.zone ?? 'a', telemetry });
  const layer7 = createLayer7({
    world,
    rules: [{ to: [{ pool }] }],
    telemetry,
    isBehindEdge,
    ...at,
    ...(handle ? { handle } : {}),
  });
  const leaving: Component = {
    name: 'leaving',
    // Before the registration ends, which gives clients the time to connect anew.
    async drain() {
      layer7.leave();
    },
  };
  return { layer7, components: [pool.component, layer7.component, leaving] };
}

/** The same list as long as nobody comes or goes, so that the pool sees at a glance that nothing has changed. */
function gatewaysIn(
  directory: Directory,
  doorOf: NonNullable<Seams['doorOf']> = ({ host, port }) => ({ host, port }),
): () => readonly Member[] {
  let seen: readonly Instance[] | undefined;
  let members: readonly Member[] = [];
  return () => {
    const { instances } = directory;
    if (instances !== seen) {
      seen = instances;
      members = instances.flatMap(({ doorPort, ...instance }) =>
        doorPort === undefined ? [] : [{ ...instance, ...doorOf({ ...instance, port: doorPort }) }],
      );
    }
    return members;
  };
}
