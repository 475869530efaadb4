import { createGateway } from '#edge/gateway';
import type { ServiceServer } from '#kit/contract';
import type { EventLog } from '#kit/messaging';
import { createResilientTransport } from '#kit/resilience';
import type { Component, Database, Transport } from '#kit/runtime';
import { publicContracts } from '../../../cli/compose.ts';
import { policyOf } from '../../../cli/transports.ts';
import type { Incarnation } from '../node.ts';
import type { Simulation } from '../simulation.ts';
import { type DoorBook, lifeOf, noteCalls } from './book.ts';
import { createWireServer } from './wire.ts';

export interface SimulatedGateway {
  readonly components: readonly Component[];
  /** Once the components have started. */
  readonly server: ServiceServer;
}

export interface SimulatedGatewayOptions {
  readonly simulation: Simulation;
  readonly incarnation: Incarnation;
  readonly transport: Transport;
  /** Whose events end cached replies. */
  readonly events: EventLog;
  /** Keeps who did what, and keys of programs. */
  readonly database: Database;
  readonly book: DoorBook;
}

/**
 * The gateway as production has it: routes, tokens, limits, cached replies, and calls to services within deadlines, budgets and
 * breakers, who did what and keys of programs in a database of its own. What is left out shows pages.
 */
export function createSimulatedGateway({
  simulation,
  incarnation,
  transport,
  events,
  database,
  book,
}: SimulatedGatewayOptions): SimulatedGateway {
  const { world } = incarnation;
  const at = lifeOf(incarnation);
  let server: ServiceServer | undefined;
  const nowMs = () => simulation.world.nowMs;
  const own = { database: noteCalls(database, at, book, nowMs) };
  const gateway = createGateway({
    world,
    transport: createResilientTransport({
      transport,
      ...world,
      policyOf,
      onEvent(service, event) {
        if (event.kind === 'breaker') world.log.warn('breaker changed', { service, state: event.state });
      },
    }),
    contracts: publicContracts,
    unready: async () => ({}),
    cache: { events },
    audit: own,
    apiKeys: own,
    requestLog: false,
    async listen(door) {
      await door.ready();
      server = createWireServer(door, {
        ...{ book, at, nowMs },
        onInternalError: (what) => simulation.violate('nothing fails unexpectedly', what),
      });
      return 'http://gateway.simulated';
    },
  });
  return {
    components: [gateway.component],
    get server() {
      if (!server) throw new Error('the gateway answers nobody before it has started');
      return server;
    },
  };
}
