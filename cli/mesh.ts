import type { Balancing, ServiceContract, ServiceServer } from '#kit/contract';
import {
  createDirectory,
  createIdentity,
  createMeshClient,
  createMeshServer,
  createPostgresRegistry,
  type Directory,
  type Identity,
  type Instance,
  type Issued,
  type MeshClient,
  shedLoad,
} from '#kit/mesh';
import { createAdaptiveLimit } from '#kit/resilience';
import type { Component, Database } from '#kit/runtime';
import type { InFlight } from './in-flight.ts';
import type { ServicesOptions } from './services.ts';
import { nameOf } from './signing.ts';
import type { ProcessTelemetry } from './telemetry.ts';
import type { CallPolicies } from './topology.ts';
import { policyOf } from './transports.ts';

/** What a process is told of the mesh: of itself only, never where others are. */
export interface MeshConfig {
  /** Where it answers other processes. */
  readonly host: string;
  readonly port: number;
  /** On the same host: /livez and /metrics, for operators. */
  readonly operatorPort: number;
  readonly region: string;
  readonly cell: string;
  readonly zone: string;
  /** What the topology changes in how operations are called. */
  readonly policies?: CallPolicies;
}

/** The processes of this system, as one of them sees and serves them. */
export interface Mesh {
  readonly client: MeshClient;
  readonly directory: Directory;
  /** Begins before whatever calls, ends after it. */
  readonly connections: Component;
  /** Begins after whatever serves: answers others. */
  readonly server: Component;
  /** Begins last and ends first: is found by others. Once it has left, others have the time to hear of it. */
  readonly registration: Component;
  /** How long that time is. Default 100 ms. */
  leaveMs: number;
}

export interface MeshOptions extends Omit<ServicesOptions, 'telemetry' | 'mesh'> {
  readonly mesh: MeshConfig;
  readonly contracts: readonly ServiceContract[];
  readonly identity: Identity;
  readonly database: Database;
  /** What this process serves; asked when it starts. */
  readonly servers: () => readonly ServiceServer[];
  /** Told of each service that a new instance runs. */
  readonly onArrival: (service: string) => void;
  readonly telemetry: ProcessTelemetry;
  readonly inFlight: InFlight;
}

/** Word takes some milliseconds. */
const leaveMsDefault = 100;
const door = 'gateway';

export function openIdentity(
  options: ServicesOptions,
  sign: (publicKey: string) => Promise<Issued>,
): Promise<Identity> {
  return createIdentity({ ...options.world, name: nameOf(options), sign });
}

export function joinMesh(options: MeshOptions): Mesh {
  const { world, mesh: at, identity, contracts, servers, telemetry, seams } = options;
  const { host, port, operatorPort, zone } = at;
  const registry = createPostgresRegistry({ database: options.database });
  const directory = createDirectory({ ...world, registry });
  const client = createMeshClient({
    ...{ ...world, identity, directory, contracts, zone, onArrival: options.onArrival },
    balancingOf: remembered((service, operation) => policyOf(service, operation, at.policies).balancing),
    ...(seams?.addressOf ? { addressOf: seams.addressOf } : {}),
  });
  const limited = (each: ServiceServer) => {
    const limit = createAdaptiveLimit(world);
    telemetry.watchLimit(each.contract.service, limit);
    return shedLoad(each, { ...world, limit });
  };
  const server = createMeshServer({
    ...{ ...world, identity, directory, door, host, port },
    servers: () => servers().map((each) => options.inFlight.server(limited(each))),
    pages: {
      '/readings': async () => telemetry.readings(),
      '/traces/:traceId': async ({ traceId = '' }) => ({ spans: telemetry.telemetry.spans.trace(traceId) }),
    },
  });
  const self: Instance = {
    ...{ process: options.process, startId: world.ids.next('start'), services: options.services },
    ...{ host, port, operatorPort, zone },
    ...seams?.reachedAt,
    ...(options.services.includes(door) ? { doorPort: options.public.port } : {}),
  };
  const mesh: Mesh = {
    client,
    directory,
    connections: {
      name: 'mesh connections',
      async start() {
        await directory.start();
        client.start();
      },
      async stop() {
        await client.close();
        directory.stop();
        identity.stop();
      },
    },
    server,
    registration: {
      name: 'registration',
      start: () => directory.join(self),
      async drain() {
        await directory.leave();
        await world.timers.sleep(mesh.leaveMs);
      },
    },
    leaveMs: leaveMsDefault,
  };
  return mesh;
}

const leastLoaded: Balancing = { kind: 'least-loaded' };

/** Asked at each call, and always the same: bounded, as operations are. */
function remembered(find: (service: string, operation: string) => Balancing | undefined) {
  const known = new Map<string, Balancing>();
  return (service: string, operation: string): Balancing => {
    const key = `${service}.${operation}`;
    const balancing = known.get(key) ?? find(service, operation) ?? leastLoaded;
    known.set(key, balancing);
    return balancing;
  };
}
