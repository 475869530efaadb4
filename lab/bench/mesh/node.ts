import type { CallContext, ServiceServer } from '#kit/contract';
import {
  createAuthority,
  createDirectory,
  createIdentity,
  createMemoryRegistry,
  createMeshClient,
  createMeshServer,
  type Identity,
  type Instance,
  shedLoad,
} from '#kit/mesh';
import { createResilientTransport } from '#kit/resilience';
import type { Transport } from '#kit/runtime';
import { benchWorld } from '../server.ts';
import { benchContracts } from './contract.ts';

/** What one process of the benchmark is told. The authority's folder and all instances are known from the start. */
export interface NodeWork {
  readonly self: Instance;
  readonly others: readonly Instance[];
  readonly authorityFolder: string;
  /** False: calls go as they are, with no time-out, breaker or bulkhead, over 32 connections. */
  readonly hasPolicies: boolean;
}

export interface BenchNode {
  readonly identity: Identity;
  readonly transport: Transport;
  serve(servers: readonly ServiceServer[]): Promise<void>;
  close(): Promise<void>;
}

const leaseMs = 86_400_000;
/** As in a topology: see cli/transports.ts. */
const concurrencyMax = 128;

export async function openNode({ self, others, authorityFolder, hasPolicies }: NodeWork): Promise<BenchNode> {
  const authority = createAuthority({ ...benchWorld, folder: authorityFolder });
  const name = { region: 'local', cell: 'main', process: self.process, services: self.services };
  const identity = await createIdentity({ ...benchWorld, name, sign: async (key) => authority.issue(key, name) });
  const registry = createMemoryRegistry(benchWorld);
  for (const instance of others) await registry.renew(instance, leaseMs);
  const directory = createDirectory({ ...benchWorld, registry });
  await directory.start();
  const client = createMeshClient({
    ...{ ...benchWorld, identity, directory, contracts: benchContracts, zone: self.zone },
    ...(hasPolicies ? {} : { connectionsMax: 32 }),
  });
  client.start();
  const policyOf = () => ({ concurrencyMax });
  const transport = hasPolicies ? createResilientTransport({ ...benchWorld, transport: client, policyOf }) : client;
  let close = async () => {};
  return {
    identity,
    transport,
    async serve(servers) {
      const shown = hasPolicies ? servers.map((server) => shedLoad(server, benchWorld)) : servers;
      const server = createMeshServer({
        ...benchWorld,
        identity,
        directory,
        door: 'door',
        ...self,
        servers: () => shown,
      });
      await server.start?.();
      close = async () => server.drain?.();
    },
    async close() {
      await client.close();
      directory.stop();
      identity.stop();
      await close();
    },
  };
}

/** The context of a call that a process makes by itself. */
export function contextOf({ self }: NodeWork, deadlineMs: number, traceparent?: string): CallContext {
  return {
    caller: { kind: 'service', id: self.services[0] as string },
    correlationId: 'bench',
    step: 0,
    traceparent,
    idempotencyKey: undefined,
    deadlineAtMs: benchWorld.clock.monotonicMs() + deadlineMs,
    signal: new AbortController().signal,
    headers: {},
  };
}
