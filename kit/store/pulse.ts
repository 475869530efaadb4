import pg from 'pg';
import type { Cancel, Logger, Timers } from '#kit/runtime';

/**
 * Whether the server gives signs of life.
 *
 *     alive ── asked, and nothing answered for `silenceMs` ──► suspected: connections of its own knock, one after the other
 *     suspected ── 2 knocks without an answer ──► silent: whatever is asked is refused at once
 *     suspected, silent ── any answer, to a knock or to a statement of before ──► alive
 *
 * A server that is gone refuses connections, which takes no time; one that stands still (a paused machine, a disk that hangs, a
 * network that swallows) costs each caller its whole patience. Knocks tell it from a statement that takes long.
 */
export interface Pulse {
  /** Whatever is asked is to be refused. */
  readonly isSilent: boolean;
  /** Something was asked of the server; each needs an `over`. */
  asked(): void;
  over(): void;
  /** The server said something. */
  heard(): void;
  stop(): void;
}

export interface PulseOptions {
  readonly name: string;
  readonly settings: pg.ClientConfig;
  /** 0: never suspected. */
  readonly silenceMs: number;
  readonly timers: Timers;
  readonly log: Logger;
}

/** The server is looked at so many times in `silenceMs`, and only while something is owed: no timer for each statement. */
const looksMax = 2;
const knocksMax = 2;
/** Signing in takes a server that has much to do some 100 ms. */
const knockTimeoutMsMax = 1_500;

export function createPulse({ name, settings, silenceMs, timers, log }: PulseOptions): Pulse {
  const lookMs = silenceMs / looksMax;
  const knockMs = Math.min(silenceMs, knockTimeoutMsMax);
  let owed = 0;
  let heard = 0;
  /** `heard` at the last look. */
  let seen = 0;
  let silentLooks = 0;
  let silentKnocks = 0;
  let isSilent = false;
  let isStopped = silenceMs === 0;
  let isKnocking = false;
  /** Undefined: nobody looks. */
  let cancelNext: Cancel | undefined;

  function lookLater(): void {
    if (!isStopped && !isKnocking) cancelNext ??= timers.after(lookMs, look);
  }

  function look(): void {
    cancelNext = undefined;
    if (heard !== seen) silentLooks = 0;
    // What was given up without an answer is no reason to stop suspecting: it is one to begin with the next that is asked.
    else if (owed > 0) silentLooks += 1;
    seen = heard;
    if (silentLooks >= looksMax) void knock();
    else if (owed > 0) lookLater();
  }

  async function knock(): Promise<void> {
    isKnocking = true;
    const isAnswered = await answers(settings, timers, knockMs);
    isKnocking = false;
    if (isStopped) return;
    if (isAnswered || heard !== seen) return revive();
    silentKnocks += 1;
    if (silentKnocks >= knocksMax && !isSilent) {
      isSilent = true;
      log.warn('the database does not answer: what is asked of it is refused until it does', { database: name });
    }
    cancelNext = timers.after(lookMs, () => {
      cancelNext = undefined;
      void knock();
    });
  }

  function revive(): void {
    cancelNext?.();
    cancelNext = undefined;
    silentLooks = 0;
    silentKnocks = 0;
    if (isSilent) log.warn('the database answers again', { database: name });
    isSilent = false;
    if (owed > 0) lookLater();
  }

  return {
    get isSilent() {
      return isSilent;
    },
    asked() {
      owed += 1;
      if (cancelNext === undefined) lookLater();
    },
    over() {
      owed -= 1;
    },
    heard() {
      heard += 1;
      if (isSilent) revive();
    },
    stop() {
      isStopped = true;
      cancelNext?.();
    },
  };
}

/** What the network says of itself when nothing comes back. */
const unreachable: ReadonlySet<string> = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN']);

/** Whether the server says anything to somebody who signs in, be it no. */
function answers(settings: pg.ClientConfig, timers: Timers, timeoutMs: number): Promise<boolean> {
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: 0 });
  // Of what comes after the answer nothing matters.
  client.on('error', () => {});
  return new Promise((resolve) => {
    const cancel = timers.after(timeoutMs, () => {
      resolve(false);
      (client as unknown as { readonly connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    });
    client.connect().then(
      () => {
        cancel();
        resolve(true);
        client.end().catch(() => {});
      },
      (error) => {
        cancel();
        resolve(!unreachable.has((error as { code?: string }).code ?? ''));
      },
    );
  });
}
