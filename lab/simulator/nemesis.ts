import type { DatabaseServer } from './database-server.ts';
import type { Network } from './network.ts';
import type { SimNode } from './node.ts';
import type { NemesisEvent } from './plan.ts';
import type { Simulation } from './simulation.ts';

export interface NemesisOptions {
  readonly simulation: Simulation;
  readonly network: Network;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly databases: ReadonlyMap<string, DatabaseServer>;
  /** Stops a process as an operator would: it drains first. */
  readonly restart: (node: string) => void;
}

/** Carries out what the plan has in store, and puts everything right again when the safety phase ends. */
export function createNemesis(options: NemesisOptions) {
  const { simulation, network, nodes, databases, restart } = options;
  const { world, trace, faults } = simulation;

  const note = (node: string, text: string) => trace.event({ atMs: world.nowMs, kind: 'fault', node, text });
  const after = (delayMs: number, task: () => void) => void world.timers.after(delayMs, task);

  function strike(event: NemesisEvent): void {
    if (!simulation.faultsOn) return;
    faults.add(event.kind);
    switch (event.kind) {
      case 'crash':
        return nodes.get(event.node)?.crash('killed');
      case 'restart':
        note(event.node, 'is told to stop');
        return restart(event.node);
      case 'pause':
        nodes.get(event.node)?.pause();
        return after(event.forMs, () => nodes.get(event.node)?.resume());
      case 'partition':
        return cut([[event.from, event.to], ...(event.bothWays ? [[event.to, event.from] as const] : [])], event.forMs);
      case 'isolate': {
        const others = [...nodes.keys()].filter((other) => other !== event.node);
        const { node } = event;
        return cut(
          others.flatMap((other) => [
            [node, other],
            [other, node],
          ]),
          event.forMs,
        );
      }
      case 'slow-link': {
        const { from, to, factor, forMs } = event;
        note(to, `${from} reaches it ${factor} times slower`);
        network.slow(from, to, factor);
        return after(forMs, () => network.slow(from, to, 1));
      }
      case 'slow-database':
        return slowDatabase(event.database, event.factor, event.forMs);
      case 'database-outage':
        return stopDatabase(event.database, event.forMs);
      case 'clock-step': {
        note(event.node, `clock set by ${event.byMs} ms`);
        const clock = nodes.get(event.node)?.clock ?? databases.get(event.node.slice('db-'.length))?.clock;
        return clock?.step(event.byMs);
      }
    }
  }

  function cut(links: readonly (readonly [string, string] | readonly string[])[], forMs: number): void {
    for (const [from, to] of links as readonly (readonly [string, string])[]) {
      note(to, `can't be reached from ${from} for ${forMs} ms`);
      network.cut(from, to);
      after(forMs, () => network.heal(from, to));
    }
  }

  function slowDatabase(name: string, factor: number, forMs: number): void {
    const server = databases.get(name);
    if (!server) return;
    note(`db-${name}`, `${factor} times slower for ${forMs} ms`);
    server.slowness = factor;
    after(forMs, () => {
      server.slowness = 1;
    });
  }

  function stopDatabase(name: string, forMs: number): void {
    const server = databases.get(name);
    if (!server) return;
    note(`db-${name}`, `is away for ${forMs} ms`);
    server.stop();
    after(forMs, () => {
      note(`db-${name}`, 'is back');
      server.start();
    });
  }

  return {
    plan(events: readonly NemesisEvent[]): void {
      for (const event of events) after(event.atMs, () => strike(event));
    },
    /** The end of the safety phase. Databases keep their clocks: nothing may depend on them. */
    heal(): void {
      simulation.faultsOn = false;
      note('', 'everything is put right');
      network.healAll();
      for (const server of databases.values()) {
        server.slowness = 1;
        server.start();
      }
      for (const node of nodes.values()) {
        node.clock.repair();
        node.resume();
        node.start();
      }
    },
  };
}
