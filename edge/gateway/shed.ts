import { type HttpRoute, problemReply } from '#kit/contract';
import { meshProblems } from '#kit/mesh';
import { createPressure } from '#kit/resilience';
import type { Reply, World } from '#kit/runtime';

/** Refuses at the door what can't be done in time, the least important first, before it has cost more than its head. */
export interface DoorShedding {
  /** What to answer at once; undefined: there is time. */
  refusal(route: HttpRoute | undefined, correlationId: string): Reply | undefined;
  /** Counts what is under way. */
  counted<T>(work: () => Promise<T>): Promise<T>;
  start(): void;
  stop(): void;
}

/** Under way at once, whatever they are: what bounds memory when everybody wants to check out. */
const activeMaxDefault = 2_048;
/** So few are no overload, however late timers are: then it is somebody else who keeps the machine busy. */
const activeMin = 48;

export function createDoorShedding({
  world,
  own,
  activeMax = activeMaxDefault,
}: {
  readonly world: World;
  /** The gateway's name as a service: whoever looks how it is gets an answer. */
  readonly own: string;
  readonly activeMax?: number;
}): DoorShedding {
  const pressure = createPressure(world);
  let active = 0;

  function isTaken({ service, operation }: HttpRoute): boolean {
    if (service === own) return true;
    if (active < activeMin) return true;
    return active < activeMax && pressure.admits(operation.priority ?? 'normal');
  }

  return {
    refusal(route, correlationId) {
      if (!route || isTaken(route)) return undefined;
      const detail = `this gateway works on ${active} requests, and ${route.name} has to wait`;
      return problemReply(meshProblems.overloaded({ detail }), correlationId);
    },
    async counted(work) {
      active += 1;
      try {
        return await work();
      } finally {
        active -= 1;
      }
    },
    start: () => pressure.start(),
    stop: () => pressure.stop(),
  };
}
