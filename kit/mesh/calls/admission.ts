import { decodeCaller, headerNames, type OperationDescription, type ServiceContract } from '#kit/contract';
import type { Request, Transport } from '#kit/runtime';
import { meshProblems } from '../problems.ts';

export interface Admission {
  /** Name of the process that calls, for the problem. */
  readonly process: string;
  /** What it runs. */
  readonly services: readonly string[];
  readonly operation: OperationDescription;
  readonly request: Request;
  /** The service that is the public door: it may call whatever is open to people. */
  readonly door: string;
}

/**
 * Throws unless the process may make this call: the contract lists its service, or it runs the public door and the
 * operation is open to people. And a service may speak for itself only.
 */
export function checkCallers({ process, services, operation, request, door }: Admission): void {
  const what = `${request.service}.${request.operation}`;
  const isListed = operation.callers?.some((caller) => services.includes(caller));
  const isThroughDoor = services.includes(door) && operation.access.some((kind) => kind !== 'service');
  if (!isListed && !isThroughDoor) {
    throw meshProblems['caller-not-allowed']({ detail: `${process} (${services.join(', ')}) called ${what}` });
  }
  const caller = decodeCaller(request.headers[headerNames.caller]);
  if (caller.kind === 'service' && !services.includes(caller.id)) {
    throw meshProblems['caller-not-allowed']({ detail: `${process} called ${what} in the name of ${caller.id}` });
  }
}

/** Not a name that a service can have. */
const noDoor = '';

/**
 * Calls of one service, held to the contracts before they leave it. So what a contract forgot to allow is found in one
 * process as it would be among many; what keeps strangers out is the check at the other end.
 */
export function onlyAllowed(caller: string, contracts: readonly ServiceContract[], transport: Transport): Transport {
  const operations = new Map(contracts.map(({ service, operations }) => [service, operations]));
  return {
    async send(request, signal) {
      const operation = operations.get(request.service)?.[request.operation];
      if (operation) checkCallers({ process: caller, services: [caller], operation, request, door: noDoor });
      return transport.send(request, signal);
    },
  };
}
