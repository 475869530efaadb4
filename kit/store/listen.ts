import pg from 'pg';
import type { Cancel, Logger, Timers } from '#kit/runtime';

export interface ListenOptions {
  readonly name: string;
  readonly settings: pg.ClientConfig;
  readonly timers: Timers;
  readonly log: Logger;
}

const listenRetryMs = 1_000;

/** A connection of its own for notifications, made anew for as long as the subscription lives. */
export async function listen(
  { name, settings, timers, log }: ListenOptions,
  channel: string,
  onMessage: (payload: string) => void,
): Promise<Cancel> {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(channel)) throw new Error(`listen: ${channel} is not a channel name`);
  let client: pg.Client | undefined;
  let cancelRetry: Cancel = () => {};
  let stopped = false;

  function tell(payload: string): void {
    try {
      onMessage(payload);
    } catch (error) {
      log.error('a listener failed', { database: name, channel, error });
    }
  }

  async function start(): Promise<void> {
    const mine = new pg.Client(settings);
    client = mine;
    let failed = false;
    const retry = (error?: Error) => {
      if (stopped || failed) return;
      failed = true;
      log.debug('listen connection lost', { database: name, channel, error: error?.message });
      mine.end().catch(() => {});
      cancelRetry = timers.after(listenRetryMs, () => void start());
    };
    mine.on('error', retry);
    mine.on('end', () => retry());
    mine.on('notification', (message) => tell(message.payload ?? ''));
    try {
      await mine.connect();
      await mine.query(`listen ${channel}`);
    } catch (error) {
      retry(error as Error);
      return;
    }
    if (stopped) mine.end().catch(() => {});
    // What was announced while nobody listened is made up for by one wake-up.
    else tell('');
  }

  await start();
  return () => {
    stopped = true;
    cancelRetry();
    client?.end().catch(() => {});
  };
}
