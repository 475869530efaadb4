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

  const note = (node: string, text: string, forMs?: number) => {
    const untilMs = forMs === undefined ? undefined : world.nowMs + forMs;
    trace.event({ atMs: world.nowMs, kind: 'fault', node, text, untilMs });
  };
  const after = (delayMs: number, task: () => void) => void world.timers.after(delayMs, task);

  function strike(event: NemesisEvent): void {
    if (!simulation.faultsOn) return;
    faults.add(event.kind);
    switch (event.kind) {
      case 'crash':
        nodes.get(event.node)?.crash('killed');
        break;
      case 'restart':
        note(event.node, 'is told to stop');
        restart(event.node);
        break;
      case 'pause':
        nodes.get(event.node)?.pause();
        after(event.forMs, () => nodes.get(event.node)?.resume());
        break;
      case 'partition':
        cut([[event.from, event.to], ...(event.bothWays ? [[event.to, event.from] as const] : [])], event.forMs);
        break;
      case 'isolate':
        cut(linksOf(event.node), event.forMs);
        break;
      case 'slow-link':
        slowLink(event.from, event.to, event.factor, event.forMs);
        break;
      case 'slow-database':
        slowDatabase(event.database, event.factor, event.forMs);
        break;
      case 'database-outage':
      case 'database-crash':
        stopDatabase(event.database, event.forMs, event.kind);
        break;
      case 'clock-step':
        note(event.node, `clock set by ${event.byMs} ms`);
        (nodes.get(event.node) ?? databases.get(event.node.slice('db-'.length)))?.clock.step(event.byMs);
        break;
    }
  }

  type Link = readonly [from: string, to: string];

  /** To and from everybody else. */
  function linksOf(node: string): Link[] {
    const others = [...nodes.keys()].filter((other) => other !== node);
    return others.flatMap((other): Link[] => [
      [node, other],
      [other, node],
    ]);
  }

  function slowLink(from: string, to: string, factor: number, forMs: number): void {
    note(to, `${from} reaches it ${factor} times slower for ${forMs} ms`, forMs);
    network.slow(from, to, factor);
    after(forMs, () => network.slow(from, to, 1));
  }

  function cut(links: readonly Link[], forMs: number): void {
    for (const [from, to] of links) {
      note(to, `can't be reached from ${from} for ${forMs} ms`, forMs);
      network.cut(from, to);
      after(forMs, () => network.heal(from, to));
    }
  }

  function slowDatabase(name: string, factor: number, forMs: number): void {
    const server = databases.get(name);
    if (!server) return;
    note(`db-${name}`, `${factor} times slower for ${forMs} ms`, forMs);
    server.slowness = factor;
    after(forMs, () => {
      server.slowness = 1;
    });
  }

  function stopDatabase(name: string, forMs: number, how: 'database-outage' | 'database-crash'): void {
    const server = databases.get(name);
    if (!server) return;
    note(`db-${name}`, `${how === 'database-crash' ? 'is killed, and' : 'is'} away for ${forMs} ms`);
    if (how === 'database-crash') server.kill();
    else server.stop();
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
