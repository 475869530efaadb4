import type { ActiveFault } from '#contracts/operators';
import { type ComposedPart, type ComposedService, type ComposeOptions, composeServices } from './compose.ts';
import type { FaultSwitches } from './faults.ts';
import { type Gate, gateDatabase, gatePort, gateTransport } from './gate.ts';
import { createMortal, type Fate } from './mortal.ts';

/** As `composeServices`, of services that the laboratory can kill and pause one by one. */
export function composeMortals(options: ComposeOptions, faults: Pick<FaultSwitches, 'watch' | 'leave' | 'worldOf'>) {
  const parts = new Map<ComposedService, ComposedPart>();
  for (const service of options.services) {
    const make = (gate: Gate) => composeServices(behind(gate, service, options, faults)).get(service) as ComposedPart;
    const mortal = createMortal(service, make, options.world.log);
    faults.watch((active) => mortal.want(fateOf([service], active)));
    parts.set(service, mortal.part);
  }
  return parts;
}

/** What faults want of whoever runs these services. Killed goes before paused. */
export function fateOf(services: readonly string[], active: readonly ActiveFault[]): Fate {
  const isOn = (kind: ActiveFault['kind']) =>
    active.some((fault) => fault.kind === kind && services.includes(fault.service));
  return isOn('killed') ? 'killed' : isOn('paused') ? 'paused' : 'alive';
}

function behind(
  gate: Gate,
  service: ComposedService,
  options: ComposeOptions,
  faults: Pick<FaultSwitches, 'leave' | 'worldOf'>,
): ComposeOptions {
  const { databaseOf, transport, eventLog, provider, mail } = options;
  const appends = ['lastAppends', 'appendExactly', 'append', 'read', 'bounds', 'sweep'] as const;
  return {
    ...options,
    world: faults.worldOf([service]),
    services: [service],
    databaseOf: (name) => gateDatabase(databaseOf(name), gate),
    transport: gateTransport(
      {
        async send(request, signal) {
          await faults.leave([service], signal);
          return transport.send(request, signal);
        },
      },
      gate,
    ),
    eventLog: gatePort(eventLog, gate, appends),
    ...(provider ? { provider: gatePort(provider, gate, ['authorize', 'capture', 'void', 'refund', 'find']) } : {}),
    ...(mail ? { mail: { ...mail, mailer: gatePort(mail.mailer, gate, ['send']) } } : {}),
  };
}
