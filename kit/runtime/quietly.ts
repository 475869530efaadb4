import type { Logger } from './ports.ts';

/**
 * Work that a timer repeats: a failure is logged as a warning, `<what> failed, will be repeated`, and ends nothing.
 *
 *     timers.every(60_000, quietly(log, 'idempotency sweep', () => sweepKeys(database)));
 */
export function quietly(log: Logger, what: string, work: () => Promise<unknown>): () => Promise<void> {
  return async () => {
    try {
      await work();
    } catch (error) {
      log.warn(`${what} failed, will be repeated`, { error });
    }
  };
}
