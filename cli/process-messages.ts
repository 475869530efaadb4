import type { Issued } from '#kit/mesh';
import type { ExitCode } from './failure.ts';
import type { ServicesConfig } from './services.ts';

/** What parent and child say to one another over the channel that `spawn` opens between them. */
export type ToChild =
  | { readonly type: 'start'; readonly config: ServicesConfig }
  | SignReply
  | { readonly type: 'stop' };

export interface SignRequest {
  readonly type: 'sign';
  readonly id: number;
  readonly publicKey: string;
}

export interface SignReply {
  readonly type: 'signed';
  readonly id: number;
  readonly issued?: Issued;
  readonly error?: string;
}

export type ToParent =
  /** The child has loaded and waits for its configuration. */
  | { readonly type: 'here' }
  | SignRequest
  | { readonly type: 'ready'; readonly urls: Readonly<Record<string, string>>; readonly demo?: string }
  | { readonly type: 'failed'; readonly sentence: string; readonly exitCode: ExitCode };
