import type { Cancel, Clock, Logger, Timers } from '#kit/runtime';
import type { Instance, Registry, Snapshot } from './instance.ts';

/** What this process knows of who is there. It outlives the registry: while that is away, the last knowledge counts. */
export interface Directory {
  readonly instances: readonly Instance[];
  readonly revoked: ReadonlySet<string>;
  /** Called when either has changed, and once at once. */
  onChange(task: () => void): Cancel;
  /** Makes this process known, and keeps it known until `leave`. */
  join(instance: Instance): Promise<void>;
  /** Nobody finds this process any more; it goes on watching. */
  leave(): Promise<void>;
  /** Looks for the first time, and resolves when that is done or the registry is away. */
  start(): Promise<void>;
  stop(): void;
}

export interface DirectoryOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly registry: Registry;
  /** How long others know of this process when it stops renewing. Default 5,000 ms: a dead one is found out sooner by calls. */
  readonly leaseMs?: number;
  /** How often the registry is looked at, should its word be lost. Default 1,000 ms. */
  readonly lookEveryMs?: number;
}

export function createDirectory(options: DirectoryOptions): Directory {
  const { clock, timers, log, registry, leaseMs = 5_000, lookEveryMs = 1_000 } = options;
  const listeners = new Set<() => void>();
  let known: Known = { instances: [], revoked: new Set() };
  let seenAtMs: number | undefined;
  /** Until when nobody is believed to be gone. */
  let trustMs = 0;
  let joined: Instance | undefined;
  let renewedAtMs = 0;
  let looking: Promise<void> | undefined;
  let again = false;
  let cancelBeat: Cancel = () => {};
  let cancelWatch: Promise<Cancel> | undefined;
  let away = false;
  let isStopped = false;

  async function renewIfDue(): Promise<void> {
    if (!joined || clock.monotonicMs() - renewedAtMs < leaseMs / 3) return;
    const startedMs = clock.monotonicMs();
    await registry.renew(joined, leaseMs);
    renewedAtMs = startedMs;
  }

  async function lookOnce(): Promise<void> {
    try {
      await renewIfDue();
      const snapshot = await registry.look();
      const nowMs = clock.monotonicMs();
      // Whoever could not renew while the registry was away gets the time to do so.
      if (away || (seenAtMs !== undefined && nowMs - seenAtMs > leaseMs / 2)) trustMs = nowMs + leaseMs;
      seenAtMs = nowMs;
      take(merge(known, snapshot, nowMs >= trustMs));
      if (away) log.info('the registry is back');
      away = false;
    } catch (error) {
      if (isStopped) return;
      if (!away) log.warn('the registry is away; going by what was known last', { error });
      away = true;
    }
  }

  /** One look at a time; what is announced during one makes one more. */
  function look(): Promise<void> {
    again = looking !== undefined;
    looking ??= lookOnce().finally(() => {
      looking = undefined;
      if (again) void look();
    });
    return looking;
  }

  function take(next: Known): void {
    if (next === known) return;
    known = next;
    for (const listener of listeners) listener();
  }

  return {
    get instances() {
      return known.instances;
    },
    get revoked() {
      return known.revoked;
    },
    onChange(task) {
      listeners.add(task);
      task();
      return () => listeners.delete(task);
    },
    async join(instance) {
      await registry.join(instance, leaseMs);
      renewedAtMs = clock.monotonicMs();
      joined = instance;
    },
    async leave() {
      const before = joined;
      joined = undefined;
      if (!before) return;
      // A renewal that is on its way would put it back.
      await looking;
      await registry.remove(before).catch((error) => log.warn('the registry could not be told of leaving', { error }));
    },
    async start() {
      cancelBeat = timers.every(lookEveryMs, look);
      // Not waited for: the first look doesn't need it, and a listener that connects calls for a look itself.
      cancelWatch = registry.watch(() => void look());
      cancelWatch.catch((error) =>
        log.warn('the registry does not announce changes; looking is all there is', { error }),
      );
      await look();
    },
    stop() {
      isStopped = true;
      cancelBeat();
      cancelWatch?.then((cancel) => cancel()).catch(() => {});
      listeners.clear();
    },
  };
}

interface Known {
  readonly instances: readonly Instance[];
  readonly revoked: ReadonlySet<string>;
}

/** What is known after a look; the same object when nothing has changed. */
export function merge(known: Known, snapshot: Snapshot, mayForget: boolean): Known {
  const shown = new Set(snapshot.instances.map(({ process }) => process));
  const missing = mayForget ? [] : known.instances.filter(({ process }) => !shown.has(process));
  const instances = [...snapshot.instances, ...missing].sort((a, b) => (a.process < b.process ? -1 : 1));
  const isSame =
    instances.length === known.instances.length &&
    instances.every(({ startId }, i) => startId === known.instances[i]?.startId) &&
    snapshot.revoked.length === known.revoked.size &&
    snapshot.revoked.every((serial) => known.revoked.has(serial));
  return isSame ? known : { instances, revoked: new Set(snapshot.revoked) };
}
