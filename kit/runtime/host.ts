import type { Logger, Timers } from './ports.ts';

/** A part of a process that has to be started before others and stopped after them: a pool, a server, a poller. */
export interface Component {
  readonly name: string;
  /** Resolves when the component serves. Components start in the order in which they were added. */
  start?(): Promise<void>;
  /** Takes no new work and resolves when the work under way has ended. Called in reverse order, before any stop. */
  drain?(): Promise<void>;
  /** Releases timers, sockets and connections. Called in reverse order. */
  stop?(): Promise<void>;
  /** Undefined when fine, else one sentence on what is wrong. Asked by `/readyz`. */
  check?(): Promise<string | undefined>;
}

export type HostState = 'new' | 'starting' | 'ready' | 'draining' | 'stopped';

export interface HostOptions {
  readonly log: Logger;
  readonly timers: Timers;
  /** How long readiness fails before draining begins, so that balancers look elsewhere first. Default 0 ms. */
  readonly quietMs?: number;
  /** Work that has not ended after this is left to recovery. Default 10,000 ms. */
  readonly drainTimeoutMs?: number;
}

/** Starts components in order and stops them in reverse; owns everything it started, so that nothing outlives it. */
export interface Host {
  readonly state: HostState;
  add(component: Component): void;
  /** Starts all. If one fails, those already started are stopped and the error is thrown. */
  start(): Promise<void>;
  /** Readiness fails first, then drain, then stop. Safe to call more than once and at any time. */
  stop(): Promise<void>;
  /** What keeps the host from being ready, by component; empty when ready. */
  unready(): Promise<Record<string, string>>;
}

export function createHost(options: HostOptions): Host {
  const { log, timers, quietMs = 0, drainTimeoutMs = 10_000 } = options;
  const components: Component[] = [];
  const started: Component[] = [];
  let state: HostState = 'new';
  let stopping: Promise<void> | undefined;

  async function stopAll(): Promise<void> {
    state = 'draining';
    if (quietMs > 0) await timers.sleep(quietMs);
    const backwards = started.toReversed();
    for (const component of backwards) {
      await bounded(component, 'drain', component.drain?.bind(component));
    }
    for (const component of backwards) {
      await bounded(component, 'stop', component.stop?.bind(component));
    }
    started.length = 0;
    state = 'stopped';
  }

  async function bounded(component: Component, phase: string, run?: () => Promise<void>): Promise<void> {
    if (!run) return;
    const timeout = new AbortController();
    try {
      await Promise.race([
        run(),
        timers.sleep(drainTimeoutMs, timeout.signal).then(() => {
          throw new Error(`${component.name} did not ${phase} within ${drainTimeoutMs} ms`);
        }),
      ]);
    } catch (error) {
      log.warn(`${phase} failed`, { component: component.name, error });
    } finally {
      timeout.abort();
    }
  }

  return {
    get state() {
      return state;
    },
    add(component) {
      if (state !== 'new') throw new Error(`host: ${component.name} was added after start`);
      components.push(component);
    },
    async start() {
      if (state !== 'new') throw new Error(`host: start called in state ${state}`);
      state = 'starting';
      for (const component of components) {
        if (state !== 'starting') return;
        try {
          started.push(component);
          await component.start?.();
        } catch (error) {
          stopping ??= stopAll();
          await stopping;
          throw error;
        }
      }
      state = 'ready';
    },
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
    async unready() {
      const reasons: Record<string, string> = {};
      if (state !== 'ready') reasons['host'] = state;
      await Promise.all(
        started.map(async (component) => {
          try {
            const reason = await component.check?.();
            if (reason) reasons[component.name] = reason;
          } catch (error) {
            reasons[component.name] = error instanceof Error ? error.message : String(error);
          }
        }),
      );
      return reasons;
    },
  };
}
