import { decodeCaller, headerNames, type OperationDescription } from '#kit/contract';
import type { Request } from '#kit/runtime';
import type { Peer } from '../identity/peer.ts';
import { meshProblems } from '../problems.ts';

export interface Admission {
  readonly peer: Peer;
  readonly operation: OperationDescription;
  readonly request: Request;
  /** The service that is the public door: it may call whatever is open to people. */
  readonly door: string;
}

/**
 * Throws unless the process at the other end may make this call: the contract lists its service, or it runs the public
 * door and the operation is open to people. And a service may speak for itself only.
 */
export function checkCallers({ peer, operation, request, door }: Admission): void {
  const { services, process } = peer.name;
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
