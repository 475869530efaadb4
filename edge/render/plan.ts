import type { OperationDescription, ServiceContract } from '#kit/contract';

/** What stands in front of the gateways, said once for whichever program is to do it. */
export interface EdgePlan {
  readonly listen: { readonly host: string; readonly port: number };
  /** Files of PEM. HAProxy takes one file with both: give it as `certFile`. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly gateways: readonly { readonly host: string; readonly port: number }[];
  /** Requests a second of one address. */
  readonly perAddress: number;
  /** Operations that take or send more, or take longer, than all others. */
  readonly exceptions: readonly PathException[];
}

export interface PathException {
  readonly method: string;
  /** A regular expression that all three programs understand. */
  readonly pattern: string;
  readonly bodySizeBytesMax: number;
  readonly timeoutSec: number;
  /** Sends as it goes: nothing may be held back. */
  readonly isStream: boolean;
}

export interface PlanOptions extends Omit<EdgePlan, 'exceptions' | 'perAddress'> {
  readonly contracts: readonly ServiceContract[];
  readonly perAddress?: number;
}

/** Bounds for everything else. */
export const bodySizeBytesDefault = 256 * 1024;
export const timeoutSecDefault = 30;
/** Looked at by all of them: E3. */
export const health = { path: '/health', everySec: 10, failuresMax: 3 } as const;

export function planOf({ contracts, perAddress = 1_000, ...plan }: PlanOptions): EdgePlan {
  const operations = contracts.flatMap((contract) => Object.values(contract.operations));
  const isPublic = ({ access }: OperationDescription) => access.some((kind) => kind !== 'service');
  const exceptions = operations
    .filter(isPublic)
    .map(exceptionOf)
    .filter((one) => one !== undefined);
  return { ...plan, perAddress, exceptions };
}

function exceptionOf(operation: OperationDescription): PathException | undefined {
  const { method, path, bodySizeBytesMax = bodySizeBytesDefault, deadlineMs = 0, stream } = operation;
  const timeoutSec = Math.max(Math.ceil(deadlineMs / 1_000), timeoutSecDefault);
  if (bodySizeBytesMax <= bodySizeBytesDefault && timeoutSec <= timeoutSecDefault && !stream) return undefined;
  // With or without a version in front.
  const pattern = `^(/v[0-9]+)?${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`;
  return { method, pattern, bodySizeBytesMax, timeoutSec, isStream: stream !== undefined };
}

export function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
