import { createGateway } from '#edge/gateway';
import type { ServiceServer } from '#kit/contract';
import type { EventLog } from '#kit/messaging';
import { createResilientTransport } from '#kit/resilience';
import type { Component, Transport } from '#kit/runtime';
import { publicContracts } from '../../../cli/compose.ts';
import { policyOf } from '../../../cli/transports.ts';
import type { Incarnation } from '../node.ts';
import type { Simulation } from '../simulation.ts';
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
}

/**
 * The gateway as production has it: routes, tokens, limits, cached replies, and calls to services within deadlines, budgets and
 * breakers. What is left out keeps rows of its own (audit, API keys) or shows pages.
 */
export function createSimulatedGateway({
  simulation,
  incarnation: { world },
  transport,
  events,
}: SimulatedGatewayOptions): SimulatedGateway {
  let server: ServiceServer | undefined;
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
    requestLog: false,
    async listen(door) {
      await door.ready();
      server = createWireServer(door, (what) => simulation.violate('nothing fails unexpectedly', what));
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
