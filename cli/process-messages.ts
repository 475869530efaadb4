import type { Issued } from '#kit/mesh';
import type { ExitCode } from './failure.ts';
import type { Served } from './served-lately.ts';
import type { DoorName, ServicesConfig } from './services.ts';

/** What parent and child say to one another over the channel that `spawn` opens between them. */
export type ToChild =
  /** Comes with the door itself, and before `start`. */
  | { readonly type: 'door'; readonly name: DoorName }
  | { readonly type: 'start'; readonly config: ServicesConfig }
  | SignReply
  | { readonly type: 'ask'; readonly id: number }
  /** `leaveMs`: how long it serves on after it has left the registry, until everybody has heard. Default 100. */
  | { readonly type: 'stop'; readonly leaveMs?: number };

export interface SignRequest {
  readonly type: 'sign';
  readonly id: number;
  readonly publicKey: string;
  /** For a server that browsers talk to; only the edge is given one. Default: for the mesh. */
  readonly isForBrowsers?: boolean;
}

export interface SignReply {
  readonly type: 'signed';
  readonly id: number;
  readonly issued?: Issued;
  readonly error?: string;
}

export interface Ready {
  readonly type: 'ready';
  readonly urls: Readonly<Record<string, string>>;
  readonly demo?: string;
}

/** How a process is, in its own words. */
export interface Pulse {
  /** What keeps it from serving, by component; empty when it is well. */
  readonly unready: Readonly<Record<string, string>>;
  /** Requests under way. */
  readonly inFlight: number;
  readonly served: Served;
}

export type ToParent =
  /** The child has loaded and waits for its configuration. */
  | { readonly type: 'here' }
  | SignRequest
  | Ready
  | { readonly type: 'pulse'; readonly id: number; readonly pulse: Pulse }
  | { readonly type: 'failed'; readonly sentence: string; readonly exitCode: ExitCode };
