import { fileURLToPath } from 'node:url';
import { runBuilder } from './builder.ts';

const builder = fileURLToPath(new URL('../apps/build/main.ts', import.meta.url));

export interface BuiltApps {
  /** One for each app that could be built. */
  readonly folders: readonly string[];
  /** What kept an app from being built, beginning with its name. */
  readonly failures: readonly string[];
}

/**
 * The built web apps: built now where their sources have changed, which takes some seconds, or there already.
 */
export async function buildApps(): Promise<BuiltApps> {
  return runBuilder(builder, 'the web apps');
}
