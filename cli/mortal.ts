import { contractProblems } from '#kit/contract';
import type { Logger } from '#kit/runtime';
import type { ComposedPart } from './compose.ts';
import { createGate, type Gate, gateServer } from './gate.ts';

/** How a service is wanted: as it should be, stopped in its tracks, or killed and kept from starting. */
export type Fate = 'alive' | 'paused' | 'killed';

export interface Mortal {
  /** Stands for the service whichever life it is in. */
  readonly part: ComposedPart;
  /** Takes effect at once; a new life begins in a moment. */
  want(fate: Fate): void;
}

interface Life {
  readonly gate: Gate;
  readonly part: ComposedPart;
}

/**
 * A service that can be killed and paused within a process that lives on: for the fault laboratory of one process. Killed,
 * its gate closes and its loops end without draining; alive again, it is made anew from what its database holds, as a
 * process would be. `make` is given the gate that everything of the new life has to go through.
 */
export function createMortal(service: string, make: (gate: Gate) => ComposedPart, log: Logger): Mortal {
  let wanted: Fate = 'alive';
  let life: Life | undefined = born();
  const { server } = life.part;
  let isRunning = false;
  let settling: Promise<void> | undefined;

  function born(): Life {
    const gate = createGate(service);
    const part = make(gate);
    return { gate, part: { ...part, server: gateServer(part.server, gate) } };
  }

  async function start(one: Life): Promise<void> {
    for (const component of one.part.components) await component.start?.();
  }

  /** All of it: a part that fails at the closed gate must not leave the loops of the others running. */
  async function stop(one: Life): Promise<void> {
    const failures: unknown[] = [];
    for (const component of one.part.components.toReversed()) {
      await component.stop?.().catch((error) => void failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  async function begin(): Promise<Life> {
    const next = born();
    try {
      await start(next);
      return next;
    } catch (error) {
      next.gate.close();
      await stop(next).catch(() => {});
      throw error;
    }
  }

  /** Until things are as they are wanted, which may change meanwhile. */
  async function settle(): Promise<void> {
    while (isRunning && (life === undefined) !== (wanted === 'killed')) {
      if (life) {
        const dead = life;
        life = undefined;
        dead.gate.close();
        // Whatever it was at fails at the gate.
        await stop(dead).catch((error) => log.debug('a killed service stopped', { service, error }));
      } else {
        life = await begin();
      }
    }
    if (wanted === 'paused') life?.gate.pause();
    else life?.gate.resume();
  }

  function want(fate: Fate): void {
    wanted = fate;
    if (fate === 'killed') life?.gate.close();
    else if (fate === 'paused') life?.gate.pause();
    else life?.gate.resume();
    // Asked again at the next look when it fails.
    settling ??= settle()
      .catch((error) => log.error('a service could not be started again', { service, error }))
      .finally(() => {
        settling = undefined;
      });
  }

  return {
    want,
    part: {
      server: {
        contract: server.contract,
        async handle(request, signal) {
          if (life && wanted !== 'killed') return life.part.server.handle(request, signal);
          throw contractProblems.unavailable({ detail: `${service} was killed on purpose` });
        },
      },
      get outbox() {
        return life?.part.outbox;
      },
      get subscription() {
        return life?.part.subscription;
      },
      components: [
        {
          name: service,
          async start() {
            if (life) await start(life);
            isRunning = true;
          },
          async drain() {
            isRunning = false;
            await settling;
            life?.gate.resume();
            for (const component of life?.part.components.toReversed() ?? []) await component.drain?.();
          },
          async stop() {
            isRunning = false;
            if (life) await stop(life);
          },
          async check() {
            if (!life) return 'killed on purpose';
            if (!life.gate.isOpen) return 'paused on purpose';
            const reasons = await Promise.all(life.part.components.map((component) => component.check?.()));
            return reasons.find((reason) => reason !== undefined);
          },
        },
      ],
    } as ComposedPart,
  };
}
