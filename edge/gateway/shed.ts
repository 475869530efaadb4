import { type HttpRoute, problemReply, tellFault } from '#kit/contract';
import { meshProblems } from '#kit/mesh';
import { createPressure } from '#kit/resilience';
import type { Reply, World } from '#kit/runtime';
import type { Telemetry } from '#kit/telemetry';
import { tellFew } from './tell-few.ts';

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
const tellEveryMs = 5_000;
/** So few are no overload, however late timers are: then it is somebody else who keeps the machine busy. */
const activeMin = 48;

export function createDoorShedding({
  world,
  own,
  activeMax = activeMaxDefault,
  telemetry,
}: {
  readonly world: World;
  /** The gateway's name as a service: whoever looks how it is gets an answer. */
  readonly own: string;
  readonly activeMax?: number;
  /** Shows how much it refuses. Default: nowhere. */
  readonly telemetry?: Telemetry | undefined;
}): DoorShedding {
  const pressure = createPressure(world);
  const log = world.log.with({ service: own });
  let active = 0;
  let refused = 0;
  const turn = tellFew({ clock: world.clock, toldMax: 1, periodMs: tellEveryMs });
  telemetry?.gauge(
    { name: 'holdfast_door_pressure_level', help: '0 takes everything; 1, 2, 3: no low, normal, critical priority.' },
    () => pressure.level,
  );
  telemetry?.tally(
    { name: 'holdfast_door_refused_total', help: 'Requests refused at the door, as there was too much to do.' },
    () => refused,
  );

  function isTaken({ service, operation }: HttpRoute): boolean {
    if (service === own) return true;
    if (active < activeMin) return true;
    return active < activeMax && pressure.admits(operation.priority ?? 'normal');
  }

  function tell(): void {
    const untold = turn('refused');
    if (untold === undefined) return;
    log.warn('too much to do: requests are refused at the door', {
      refused: untold + 1,
      active,
      level: pressure.level,
    });
  }

  return {
    refusal(route, correlationId) {
      if (!route || isTaken(route)) return undefined;
      refused += 1;
      tell();
      const detail = `this gateway works on ${active} requests, and ${route.name} has to wait`;
      const problem = meshProblems.overloaded({ detail });
      return tellFault(problemReply(problem, correlationId), problem);
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
