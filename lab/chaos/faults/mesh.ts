import { connect } from 'node:tls';
import { createTail } from '#kit/telemetry';
import { keptFolder } from '../../../cli/kept.ts';
import type { Rig } from '../rig.ts';
import type { Shape } from './fault.ts';
import { busyWays } from './network.ts';

/** What the faults of identities in the mesh have in common. */

/** Processes that are called all the time, or call, over the mesh: of the others nobody would notice. */
export function meshTargets(shape: Shape): string[] {
  const busy = new Set(busyWays(shape));
  const secured = shape.ways.filter(({ name, isSecured }) => isSecured && busy.has(name));
  const talking = new Set(secured.flatMap(({ from, to }) => [from, to]));
  return shape.processes.filter(({ name }) => talking.has(name)).map(({ name }) => name);
}

const withinMs = 2_000;

/** Until when the certificate is good that a process shows whoever connects to it now; undefined when it doesn't answer. */
export function shownUntilMs({ processes }: Rig, name: string): Promise<number | undefined> {
  const at = processes.get(name)?.config.mesh;
  if (!at) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const { host, port } = at;
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: withinMs }, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      resolve(certificate && Date.parse(certificate.validTo));
    });
    const none = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.once('error', none).once('timeout', none);
  });
}

/** Breaks what a process has open with others, so that both have to show who they are again. */
export function connectAnew({ ways }: Rig, name: string): void {
  for (const way of ways.all) {
    if (way.isSecured && (way.from === name || way.to === name)) ways.injectTcp(way.name, { kind: 'reset' }).heal();
  }
}

/** How often others have said since that the certificate of a process counts no more. */
export function countRefusals({ dataDir }: Rig, name: string, serial: string): () => number {
  const next = createTail(keptFolder(dataDir), 'logs');
  next();
  let count = 0;
  return () => {
    for (const line of next()) {
      const isRefusal = line.includes('mesh/identity-revoked') && line.includes(serial);
      const isCut = line.includes('revoked certificate') && line.includes(`"${name}"`);
      if (isRefusal || isCut) count += 1;
    }
    return count;
  };
}
