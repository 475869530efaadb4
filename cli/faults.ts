import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { ActiveFault } from '#contracts/operators';
import { contractProblems, type ServiceServer } from '#kit/contract';
import { type Component, createIds, type World } from '#kit/runtime';
import type { Fault, Sandbox } from '#services/payments/sandbox';
import { faultsFile } from './faults-file.ts';
import type { Seams } from './services.ts';

/**
 * The fault laboratory of a running system (`holdfast up --faults`). What is on stands in a file of the data directory, which
 * every process of the system looks at; so a fault works the same in one process and among several, and a process that
 * starts anew has it too. A start of the system begins without any.
 */
export interface FaultSwitches {
  current(): readonly ActiveFault[];
  set(faults: readonly ActiveFault[]): void;
  /** Told what is on at each look, also when nothing has changed. */
  watch(listener: (active: readonly ActiveFault[]) => void): void;
  /** Puts itself before the services of this process. */
  readonly seams: Pick<Seams, 'server'>;
  /** Waited for by calls that leave these services: for as long as they are cut off, or until whoever calls gives up. */
  leave(services: readonly string[], signal: AbortSignal): Promise<void>;
  /** The world as these services see it: its wall clock is wrong while the laboratory wants it. Elapsed time stays true. */
  worldOf(services: readonly string[]): World;
  /** Looks at the file. */
  readonly component: Component;
  /** The pretended provider, where it runs here. */
  attach(sandbox: Sandbox): void;
}

const lookEveryMs = 250;
const slowMs = 1_500;
/** Calls whose answer is lost. */
const lostShare = 0.5;
const stallMs = 8_000;
/** Longer than any deadline: whoever waits for a lost reply gives up by itself. */
const lostMs = 60_000;
const cutOffLookEveryMs = 100;
/** Back, not ahead: a logical clock that has followed one that was ahead is ahead for as long again. */
const skewMs = -120_000;

const ActiveFaults = Type.Array(ActiveFault);

/** What is on now; undefined where the file says nothing that can be understood. */
export const readFaults = (dataDir: string): readonly ActiveFault[] | undefined => parseFaults(readText(dataDir));

/** Somebody may have edited the file, or copied one into the data directory: no process ends because of it. */
function parseFaults(text: string): readonly ActiveFault[] | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return Value.Check(ActiveFaults, found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function readText(dataDir: string): string {
  try {
    return readFileSync(faultsFile(dataDir), 'utf8');
  } catch {
    // No file: no faults.
    return '[]';
  }
}

export interface FaultSwitchesOptions {
  readonly dataDir: string;
  readonly world: World;
  /** Whether calls come over connections: then those are slow and cut off (`fault-link.ts`), and not the calls. Default false. */
  readonly hasConnections?: boolean;
}

export function createFaultSwitches({ dataDir, world, hasConnections = false }: FaultSwitchesOptions): FaultSwitches {
  const { timers, random, log } = world;
  let active: readonly ActiveFault[] = [];
  let text = '[]';
  const sandboxes: Sandbox[] = [];
  const listeners: ((active: readonly ActiveFault[]) => void)[] = [];
  let cancel = () => {};

  function look(): void {
    const found = readText(dataDir);
    if (found !== text) change(found);
    for (const listener of listeners) listener(active);
  }

  function change(found: string): void {
    text = found;
    const faults = parseFaults(found);
    if (!faults) {
      log.error('the file of faults is damaged, so what was on stays on; put faults on or off anew to replace it', {
        file: faultsFile(dataDir),
      });
      return;
    }
    active = faults;
    for (const sandbox of sandboxes) sandbox.faults.set(providerFaults(active));
    log.warn('faults changed', { faults: active.map(({ kind, service }) => `${kind} ${service}`) });
  }

  const isOn = (kind: ActiveFault['kind'], service: string) =>
    active.some((fault) => fault.kind === kind && fault.service === service);

  async function leave(services: readonly string[], signal: AbortSignal): Promise<void> {
    while (services.some((service) => isOn('cut-off', service))) await timers.sleep(cutOffLookEveryMs, signal);
  }

  return {
    current: () => active,
    set(faults) {
      // In one step, so that nobody reads half of it.
      const draft = `${faultsFile(dataDir)}.new`;
      writeFileSync(draft, JSON.stringify(faults));
      renameSync(draft, faultsFile(dataDir));
      look();
    },
    watch: (listener) => void listeners.push(listener),
    attach(sandbox) {
      sandboxes.push(sandbox);
      sandbox.faults.set(providerFaults(active));
    },
    seams: {
      server: (server): ServiceServer => ({
        contract: server.contract,
        async handle(request, signal) {
          const { service } = server.contract;
          if (active.length === 0) return server.handle(request, signal);
          if (isOn('down', service)) throw gone(service);
          if (!hasConnections) {
            if (isOn('slow', service)) await timers.sleep(slowMs, signal);
            await leave([service], signal);
          }
          const reply = await server.handle(request, signal);
          // Nobody is told that it is lost.
          if (isOn('drop-replies', service) && random.next() < lostShare) await timers.sleep(lostMs, signal);
          return reply;
        },
      }),
    },
    leave,
    worldOf(services) {
      const isWrong = () => services.some((service) => isOn('skewed', service));
      const clock = { ...world.clock, now: () => world.clock.now() + (isWrong() ? skewMs : 0) };
      return { ...world, clock, ids: createIds(clock, random) };
    },
    component: {
      name: 'fault switches',
      async start() {
        look();
        cancel = timers.every(lookEveryMs, look);
      },
      async stop() {
        cancel();
      },
    },
  };
}

const gone = (service: string) => contractProblems.unavailable({ detail: `a fault keeps ${service} from answering` });

const providerFaults = (faults: readonly ActiveFault[]): Fault[] =>
  faults.filter(({ service }) => service === 'payment-sandbox').flatMap(({ kind }) => atProvider[kind] ?? []);

/** Killed and paused it is as a process, where it has one. */
const atProvider: Readonly<Partial<Record<ActiveFault['kind'], Fault>>> = {
  down: { do: 'drop-request' },
  slow: { do: 'stall', ms: stallMs, at: 'after' },
  'drop-replies': { do: 'drop-reply', probability: lostShare },
  decline: { do: 'decline', code: 'insufficient_funds' },
};
