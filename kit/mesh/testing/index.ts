import Type from 'typebox';
import { defineService, type Handlers, implement, type ServiceServer } from '#kit/contract';
import { type Logger, systemWorld, type World } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import {
  type Authority,
  createAuthority,
  createDirectory,
  createIdentity,
  createMemoryRegistry,
  createMeshClient,
  createMeshServer,
  type Directory,
  type Identity,
  type Instance,
  type MeshClient,
  type MeshClientOptions,
  type Registry,
} from '../index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
export const testWorld: World = systemWorld(quiet);

/** A service that says who answered; `weigh` is for `till` only, `open` also for people. */
export const scales = defineService({
  service: 'scales',
  operations: {
    weigh: {
      method: 'GET',
      path: '/weights/{id}',
      summary: 'Weighs',
      access: ['service'],
      callers: ['till'],
      params: Type.Object({ id: Type.String() }),
      responses: { 200: Type.Object({ by: Type.String() }) },
    },
    open: {
      method: 'GET',
      path: '/open',
      summary: 'For everybody',
      access: ['anonymous'],
      responses: { 200: Type.Object({ by: Type.String() }) },
    },
  },
});

export function scalesServer(by: string, delayMs = () => 0): ServiceServer {
  const answer = async () => {
    await testWorld.timers.sleep(delayMs());
    return { status: 200 as const, body: { by } };
  };
  const handlers: Handlers<typeof scales> = { weigh: answer, open: answer };
  return implement(scales, handlers, { clock: testWorld.clock });
}

/** One process of a mesh, but for the process. */
export interface Node {
  readonly identity: Identity;
  readonly directory: Directory;
  readonly client: MeshClient;
  readonly instance: Instance;
  /** Serves and becomes known. */
  open(): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly process: string;
  readonly services: readonly string[];
  readonly authority?: Authority;
  readonly registry?: Registry;
  readonly server?: ServiceServer;
  readonly client?: Partial<MeshClientOptions>;
  readonly zone?: string;
}

export function createTestMesh(lifetimeMs = 3_600_000) {
  const { clock, random } = testWorld;
  const authority = createAuthority({ clock, random, lifetimeMs });
  const registry = createMemoryRegistry({ clock });
  const nodes: Node[] = [];

  async function add(options: NodeOptions): Promise<Node> {
    const { process, services, zone = 'here' } = options;
    const name = { region: 'local', cell: 'main', process, services };
    const sign = async (publicKey: string) => (options.authority ?? authority).issue(publicKey, name);
    const identity = await createIdentity({ ...testWorld, name, sign });
    const directory = createDirectory({ ...testWorld, registry: options.registry ?? registry, lookEveryMs: 50 });
    await directory.start();
    const instance = {
      operatorPort: 0,
      ...{ process, services, zone, host: '127.0.0.1' },
      port: await findFreePort(),
      startId: testWorld.ids.next('start'),
    };
    const client = createMeshClient({
      ...{ ...testWorld, identity, directory, contracts: [scales], zone },
      ...options.client,
    });
    client.start();
    const server = createMeshServer({
      ...{ ...testWorld, identity, directory, door: 'door', host: instance.host, port: instance.port },
      servers: () => (options.server ? [options.server] : []),
      pages: { '/pages/:id': async ({ id }) => ({ id, by: process }) },
    });
    let isOpen = false;
    const node: Node = {
      identity,
      directory,
      client,
      instance,
      async open() {
        await server.start?.();
        isOpen = true;
        await directory.join(instance);
      },
      async stop() {
        await directory.leave();
        await client.close();
        if (isOpen) await server.drain?.();
        isOpen = false;
        directory.stop();
        identity.stop();
      },
    };
    nodes.push(node);
    return node;
  }

  return {
    authority,
    registry,
    add,
    async stop() {
      for (const node of nodes) await node.stop();
    },
  };
}
