import type { ActiveFault } from '#contracts/operators';
import type { Component, World } from '#kit/runtime';
import { createTcpProxy, type TcpFault } from '../lab/chaos/proxy/tcp.ts';
import type { Address } from './doors.ts';
import type { FaultSwitches } from './faults.ts';

export interface FaultLinkOptions {
  readonly world: World;
  /** Of this process. */
  readonly services: readonly string[];
  /** Where it really listens. */
  readonly at: Address;
  readonly faults: Pick<FaultSwitches, 'watch'>;
}

export interface FaultLink {
  /** What others are told. */
  readonly address: Address;
  readonly component: Component;
}

/** What is done to the connections of others to a process. After the heal TCP hands over what was held up. */
const atConnections: Readonly<Partial<Record<ActiveFault['kind'], readonly TcpFault[]>>> = {
  slow: [
    { kind: 'delay', direction: 'to-server', ms: 750, jitterMs: 150 },
    { kind: 'delay', direction: 'to-client', ms: 750, jitterMs: 150 },
  ],
  'cut-off': [
    { kind: 'black-hole', direction: 'to-server' },
    { kind: 'black-hole', direction: 'to-client' },
  ],
};

/**
 * The way into a process of several: a proxy in front of where it listens, so that the laboratory acts on real connections,
 * below encryption and identity. Bytes are handed on as they are while nothing is on.
 */
export async function openFaultLink({ world, services, at, faults }: FaultLinkOptions): Promise<FaultLink> {
  const proxy = await createTcpProxy({ port: 0, target: () => at, world });
  const heals = new Map<string, readonly (() => void)[]>();
  faults.watch((active) => {
    for (const [kind, wrong] of Object.entries(atConnections)) {
      const wanted = active.some((fault) => fault.kind === kind && services.includes(fault.service));
      const healing = heals.get(kind);
      if (wanted && !healing)
        heals.set(
          kind,
          wrong.map((fault) => proxy.inject(fault).heal),
        );
      if (wanted || !healing) continue;
      heals.delete(kind);
      for (const heal of healing) heal();
    }
  });
  return {
    address: { host: '127.0.0.1', port: proxy.port },
    component: { name: 'fault link', start: async () => {}, stop: () => proxy.close() },
  };
}
