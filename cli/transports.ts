import { type CallPolicy, createLocalTransport, type ServiceServer } from '#kit/contract';
import { createResilientTransport, type OperationPolicy, type ResilientTransport } from '#kit/resilience';
import { publicContracts } from './compose.ts';
import type { Mesh } from './mesh.ts';
import type { ServicesOptions } from './services.ts';
import type { ProcessTelemetry } from './telemetry.ts';
import type { CallPolicies } from './topology.ts';

export interface Transports {
  /** For calls between services: within the process by function call, else over the mesh; deadline, budget, breaker. */
  readonly transport: ResilientTransport;
  attach(server: ServiceServer): void;
  /** Everything that was attached. */
  readonly servers: readonly ServiceServer[];
}

/** `mesh` is undefined where there is only one process: then no call leaves it. */
export function createTransports(
  options: ServicesOptions,
  telemetry: ProcessTelemetry,
  mesh: () => Mesh | undefined,
): Transports {
  const { world, recovery, seams } = options;
  const servers: ServiceServer[] = [];
  const local = createLocalTransport(
    world.timers,
    options.mesh && {
      send(request, signal, tried) {
        const carry = () => (mesh() as Mesh).client.send(request, signal, tried);
        return seams?.leave ? seams.leave(signal).then(carry) : carry();
      },
    },
  );
  const openMs = recovery?.breakerOpenMs;
  const transport = createResilientTransport({
    transport: seams?.transport?.(local) ?? local,
    ...world,
    policyOf: (service, operation) => ({
      // Each call under way is a connection, and a slow operation must leave some to the others of its service.
      ...(options.mesh ? { concurrencyMax: 128 } : {}),
      ...policyOf(service, operation, options.mesh?.policies),
    }),
    ...(openMs === undefined ? {} : { breaker: { openMs } }),
    onBulkhead: telemetry.watchBulkhead,
    onEvent(service, event) {
      telemetry.onCallEvent(service, event);
      if (event.kind === 'breaker') {
        world.log.warn('breaker changed', { service, operation: event.operation, state: event.state });
      }
    },
  });
  return {
    transport,
    servers,
    attach(server) {
      servers.push(server);
      local.attach(server);
    },
  };
}

/** How an operation is called: as its contract says, unless the topology says otherwise for it, its service or all. */
export function policyOf(
  service: string,
  operation: string,
  policies: CallPolicies = {},
): OperationPolicy & CallPolicy {
  const description = publicContracts.find((contract) => contract.service === service)?.operations[operation];
  return {
    streams: description?.stream !== undefined,
    ...policies['*'],
    // What may take longer than most is not given up before its time.
    ...(description?.deadlineMs === undefined ? {} : { tryTimeoutMs: description.deadlineMs }),
    ...description?.calls,
    ...policies[service],
    ...policies[`${service}.${operation}`],
  };
}
