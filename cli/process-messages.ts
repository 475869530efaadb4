import type { ExitCode } from './failure.ts';
import type { ServicesConfig } from './services.ts';

/** What parent and child say to one another over the channel that `spawn` opens between them. */
export type ToChild = { readonly type: 'start'; readonly config: ServicesConfig } | { readonly type: 'stop' };

export type ToParent =
  /** The child has loaded and waits for its configuration. */
  | { readonly type: 'here' }
  | { readonly type: 'ready'; readonly urls: Readonly<Record<string, string>>; readonly demo?: string }
  | { readonly type: 'failed'; readonly sentence: string; readonly exitCode: ExitCode };
