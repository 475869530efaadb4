import { contractProblems, headerNames, type ServiceServer } from '#kit/contract';
import type { Cancel, Reply, Request, Transport } from '#kit/runtime';
import type { Incarnation } from './node.ts';
import { chance, exponential, pick, type Simulation } from './simulation.ts';
import { idsIn } from './trace.ts';

/** What a message may run into, as probabilities, and how long it takes. */
export interface NetworkFaults {
  readonly delayMs: number;
  readonly loss: number;
  readonly duplication: number;
  /** A message that takes a hundred times as long: what was sent after it arrives before. */
  readonly straggler: number;
}

export const calmNetwork: NetworkFaults = { delayMs: 0.3, loss: 0, duplication: 0, straggler: 0 };

export interface Network {
  /** Called by a booting process: from now on its requests are answered by this incarnation. */
  serve(incarnation: Incarnation, server: ServiceServer): void;
  /** From now on connections to this incarnation are refused: it is about to stop. */
  leave(incarnation: Incarnation): void;
  /** The Transport port of one process. */
  transportOf(client: Incarnation): Transport;
  /** Where instances of a service are looked for. */
  place(service: string, nodes: readonly string[]): void;
  /** Cuts one direction; a full partition is two of them. */
  cut(from: string, to: string): void;
  heal(from: string, to: string): void;
  healAll(): void;
  /** A slow link multiplies delays in one direction. */
  slow(from: string, to: string, factor: number): void;
}

interface Message {
  readonly from: string;
  readonly to: string;
  readonly what: string;
  readonly about: readonly string[] | undefined;
}

interface Seat {
  readonly incarnation: Incarnation;
  readonly servers: Map<string, ServiceServer>;
}

const stragglerFactor = 100;

export function createNetwork(simulation: Simulation, faults: NetworkFaults): Network {
  const { world, trace } = simulation;
  const losses = simulation.stream('network/loss');
  const doubles = simulation.stream('network/duplication');
  const delays = simulation.stream('network/delay');
  const stragglers = simulation.stream('network/stragglers');
  const choices = simulation.stream('network/instances');
  const seats = new Map<string, Seat>();
  const places = new Map<string, readonly string[]>();
  const blocked = new Set<string>();
  const slowness = new Map<string, number>();

  const link = (from: string, to: string) => `${from}>${to}`;

  /** One copy of a message on its way. `arrive` runs at the far end, if it gets there. */
  function travel({ from, to, what, about }: Message, arrive: () => void): void {
    const stormy = simulation.faultsOn;
    const sentAtMs = world.nowMs;
    const note = (kind: 'message' | 'lost') =>
      trace.event({ atMs: world.nowMs, kind, node: to, from, sentAtMs, text: what, about });
    const mean = (stormy ? faults.delayMs : calmNetwork.delayMs) * (slowness.get(link(from, to)) ?? 1);
    let delayMs = 0.05 + exponential(delays, mean);
    if (stormy && chance(stragglers, faults.straggler)) {
      simulation.faults.add('message late');
      delayMs += exponential(stragglers, mean * stragglerFactor);
    }
    if (stormy && chance(losses, faults.loss)) {
      simulation.faults.add('message lost');
      note('lost');
      return;
    }
    world.timers.after(delayMs, () => {
      if (blocked.has(link(from, to))) {
        simulation.faults.add('message into a partition');
        note('lost');
        return;
      }
      note('message');
      arrive();
    });
  }

  function copies(): number {
    if (!simulation.faultsOn || !chance(doubles, faults.duplication)) return 1;
    simulation.faults.add('message duplicated');
    return 2;
  }

  /** What a message concerns, where somebody will read it. */
  const idsOf = (text: string) => (trace.isKept ? idsIn(text) : undefined);

  /** Hands a request to the instance; `answer` gets the reply's text, or undefined when the connection was refused. */
  function deliver(
    { from, to, about }: Message,
    service: string,
    text: string,
    answer: (reply: string | undefined) => void,
  ): void {
    const seat = seats.get(to);
    const server = seat?.servers.get(service);
    if (!seat?.incarnation.isAlive || !server) {
      travel({ from: to, to: from, what: `${service} refuses`, about }, () => answer(undefined));
      return;
    }
    seat.incarnation.guard(() => {
      // The far end has no part in the caller's wait: it works on until its own deadline.
      const request = JSON.parse(text) as Request;
      const signal = new AbortController().signal;
      void server.handle(request, signal).then((reply) => {
        const replyText = JSON.stringify(reply);
        const what = `${service}.${request.operation} ${reply.status}`;
        const back = { from: to, to: from, what, about: idsOf(text + replyText) };
        for (let i = copies(); i > 0; i--) travel(back, () => answer(replyText));
      });
    })();
  }

  function send(client: Incarnation, request: Request, signal: AbortSignal): Promise<Reply> {
    const what = `${request.service}.${request.operation}`;
    const candidates = [...(places.get(request.service) ?? [])];
    const { timers } = client.world;
    const from = client.node.name;
    const text = JSON.stringify(request);
    const about = idsOf(text);
    const deadlineMs = Number(request.headers[headerNames.deadlineMs] ?? 0) || 30_000;
    return new Promise((resolve, reject) => {
      let isOpen = true;
      let cancelTimeout: Cancel = () => {};
      const finish = (end: () => void) => {
        if (!isOpen) return;
        isOpen = false;
        cancelTimeout();
        signal.removeEventListener('abort', onAbort);
        end();
      };
      const onAbort = () => finish(() => reject(contractProblems.timeout({ detail: `${what} was abandoned` })));
      cancelTimeout = timers.after(deadlineMs, () =>
        finish(() => reject(contractProblems.timeout({ detail: `${what} did not answer in time` }))),
      );
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      tryNext();

      function tryNext(): void {
        if (!isOpen) return;
        if (candidates.length === 0) {
          const detail = `no instance of ${request.service} accepts connections`;
          finish(() => reject(contractProblems.unavailable({ detail })));
          return;
        }
        const to = pick(choices, candidates);
        candidates.splice(candidates.indexOf(to), 1);
        const message = { from, to, what, about };
        for (let i = copies(); i > 0; i--) travel(message, () => deliver(message, request.service, text, answer));
      }

      function answer(reply: string | undefined): void {
        client.guard(() => {
          if (reply === undefined) tryNext();
          else finish(() => resolve(JSON.parse(reply) as Reply));
        })();
      }
    });
  }

  return {
    serve(incarnation, server) {
      const { name } = incarnation.node;
      let seat = seats.get(name);
      if (seat?.incarnation !== incarnation) {
        seat = { incarnation, servers: new Map() };
        seats.set(name, seat);
      }
      seat.servers.set(server.contract.service, server);
    },
    leave(incarnation) {
      if (seats.get(incarnation.node.name)?.incarnation === incarnation) seats.delete(incarnation.node.name);
    },
    transportOf: (client) => ({ send: (request, signal) => send(client, request, signal) }),
    place: (service, nodes) => void places.set(service, nodes),
    cut: (from, to) => void blocked.add(link(from, to)),
    heal: (from, to) => void blocked.delete(link(from, to)),
    healAll() {
      blocked.clear();
      slowness.clear();
    },
    slow: (from, to, factor) => void slowness.set(link(from, to), factor),
  };
}
