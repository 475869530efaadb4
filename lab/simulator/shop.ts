import { createPostgresLog } from '#kit/messaging';
import { createHost, type Host } from '#kit/runtime';
import { createMemoryJournal, createSandbox, type Sandbox } from '#services/payments/sandbox';
import { createCatalogue } from './catalogue.ts';
import { createSimulatedDatabase } from './database.ts';
import { createDatabaseServer, type DatabaseServer } from './database-server.ts';
import { createDoorBook, type DoorBook, lifeOf } from './door/book.ts';
import { settleWebCryptoAtOnce } from './door/web-crypto.ts';
import type { History } from './history.ts';
import type { Hooks } from './hooks.ts';
import { createMailServer, type MailServer } from './mail.ts';
import { createNetwork, type Network } from './network.ts';
import { createNewsroom } from './newsroom.ts';
import { createNode, createNodeClock, type Incarnation, type SimNode } from './node.ts';
import type { Image } from './pglite/image.ts';
import { type DatabaseName, databasesOf, nodesOf, type Plan } from './plan.ts';
import { createPrograms, serviceOf } from './programs.ts';
import { between, type Simulation } from './simulation.ts';
import { testedServices } from './tested-services.ts';
import { createMerchants, type Merchants } from './webhooks/merchants.ts';

export interface Shop {
  readonly network: Network;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly databases: ReadonlyMap<DatabaseName, DatabaseServer>;
  readonly sandbox: Sandbox;
  readonly mail: MailServer;
  /** The machine of those who use the shop. It never fails: somebody has to tell what they saw. */
  readonly shoppers: Incarnation;
  readonly newsroom: ReturnType<typeof createNewsroom>;
  readonly merchants: Merchants;
  readonly doorBook: DoorBook;
  restart(node: string): void;
}

const restartMsMin = 20;

/** What is listened to, by database. */
const channelsOf: Partial<Record<DatabaseName, readonly string[]>> = {
  log: ['holdfast_log'],
  gateway: ['api_key_revoked'],
};

export interface ShopOptions {
  readonly simulation: Simulation;
  readonly plan: Plan;
  readonly images: ReadonlyMap<string, Image>;
  readonly hooks: Hooks;
  readonly history: History;
}

export async function createShop({ simulation, plan, images, hooks, history }: ShopOptions): Promise<Shop> {
  settleWebCryptoAtOnce();
  const network = createNetwork(simulation, plan.network);
  const clocks = simulation.stream('clocks');
  const restarts = simulation.stream('restarts');
  const nodes = new Map<string, SimNode>();
  const hosts = new Map<string, { readonly host: Host; readonly incarnation: Incarnation }>();

  function newClock(skewMsMax: number, driftPpmMax: number) {
    const wrong = (most: number) => Math.round((clocks.next() * 2 - 1) * most);
    return createNodeClock(simulation, wrong(skewMsMax), wrong(driftPpmMax));
  }

  const databases = new Map<DatabaseName, DatabaseServer>();
  for (const name of databasesOf(plan)) {
    const clock = newClock(plan.databaseSkewMsMax, plan.driftPpmMax);
    const image = images.get(name);
    if (!image) throw new Error(`there is no image of ${name}`);
    const surroundings = { wallMs: clock.wallMs, entropy: simulation.stream(`${name}/entropy`) };
    databases.set(
      name,
      createDatabaseServer({
        name: `db-${name}`,
        simulation,
        session: image.reset(surroundings),
        recoverSession: () => image.recover(surroundings),
        clock,
        faults: plan.database,
        latencyMs: plan.latencyMs,
        channels: channelsOf[name] ?? [],
        onCrashPoint: (client, why) => client.node.crash(why),
      }),
    );
  }

  /** A machine that nothing happens to: the outside world, which the checks believe. */
  function unfailing(name: string): Incarnation {
    const born: Incarnation[] = [];
    const clock = createNodeClock(simulation, 0, 0);
    createNode({ name, simulation, clock, boot: (incarnation) => void born.push(incarnation) }).start();
    return born[0] as Incarnation;
  }
  const sandbox = await createSandbox({ ...unfailing('provider').world, journal: createMemoryJournal() });
  sandbox.faults.set(plan.provider);
  const mail = createMailServer(simulation, plan.mail);
  const shoppers = unfailing('shoppers');
  const merchants = createMerchants(simulation, plan.merchants);
  const doorBook = createDoorBook();
  const newsroom = createNewsroom(simulation, plan.news);
  if (plan.news.length > 0) openNewsroom();

  function openNewsroom(): void {
    const log = databases.get('log') as DatabaseServer;
    const node = createNode({
      name: 'newsroom',
      simulation,
      clock: createNodeClock(simulation, 0, 0),
      boot(incarnation) {
        const database = createSimulatedDatabase(log, incarnation);
        newsroom.boot(incarnation, createPostgresLog({ database, world: incarnation.world }));
      },
    });
    node.onCrash(() => simulation.world.timers.after(restartMsMin, node.start));
    node.start();
  }

  const programFor = createPrograms({
    ...{ simulation, plan, hooks, history, network, databases, sandbox, mail, merchants, doorBook },
  });

  function boot(incarnation: Incarnation): void {
    const { node, world } = incarnation;
    const made = programFor(incarnation);
    const host = createHost({ log: world.log, timers: world.timers, drainTimeoutMs: 5_000 });
    for (const component of made.components) host.add(component);
    hosts.set(node.name, { host, incarnation });
    host.start().then(
      () => {
        if (made.server) network.serve(incarnation, hooks.server?.(made.server, incarnation) ?? made.server);
      },
      // A process that can't start ends, and is started again by whoever looks after it.
      () => node.crash('could not start'),
    );
  }

  for (const name of nodesOf(plan)) {
    const node = createNode({ name, simulation, clock: newClock(plan.skewMsMax, plan.driftPpmMax), boot });
    nodes.set(name, node);
    node.onCrash(() => {
      if (serviceOf(node) === 'gateway')
        doorBook.ended.set(lifeOf({ node, number: node.incarnation }), simulation.world.nowMs);
      const downMs = simulation.faultsOn ? between(restarts, restartMsMin, plan.downMsMax) : restartMsMin;
      simulation.world.timers.after(downMs, node.start);
    });
  }
  const placesOf = (service: string) => [...nodes.keys()].filter((name) => name.startsWith(`${service}-`));
  for (const service of [...testedServices, 'gateway']) network.place(service, placesOf(service));
  if (plan.storefront.products === 0) {
    network.serve(unfailing('catalogue'), createCatalogue(plan.stock));
    network.place('products', ['catalogue']);
  }
  for (const node of nodes.values()) node.start();

  return {
    network,
    nodes,
    databases,
    sandbox,
    mail,
    shoppers,
    newsroom,
    merchants,
    doorBook,
    restart(name) {
      const running = hosts.get(name);
      const node = nodes.get(name);
      if (!running?.incarnation.isAlive || !node) return;
      network.leave(running.incarnation);
      const { number } = running.incarnation;
      void running.host.stop().then(() => {
        if (node.incarnation === number) node.crash('stopped in order');
      });
    },
  };
}
