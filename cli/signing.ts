import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Authority, HostNames, Issued, ProcessName } from '#kit/mesh';
// The rest of the mesh, and the servers below it, are for the processes alone.
import { createAuthority } from '#kit/mesh/authority';
import type { World } from '#kit/runtime';
import type { SignReply, SignRequest, ToChild } from './process-messages.ts';
import type { ServicesConfig } from './services.ts';

/**
 * How a child gets its certificate: it makes a key, and has it signed over the channel that its parent opened when it
 * started it. The channel proves who asks, so the name comes from the parent's plan and never from the child.
 */

/** The authority of a data directory, with its key in there. */
function openAuthority(dataDir: string, { clock, random }: World): Authority {
  return createAuthority({ clock, random, folder: authorityFolder(dataDir) });
}

/** The authority for what browsers see. Another one than the mesh's: people may be asked to trust it, so it is for few names. */
export function openEdgeAuthority(dataDir: string, names: HostNames, { clock, random }: World): Authority {
  return createAuthority({
    ...{ clock, random, folder: join(dataDir, 'edge'), permits: names },
    name: 'Holdfast edge of this machine',
    lifetimeMs: edgeLifetimeMs,
  });
}

/** Renewed at half of it, while connections go on. */
const edgeLifetimeMs = 7 * 86_400_000;

export const authorityFolder = (dataDir: string): string => join(dataDir, 'mesh');

export function nameOf({ process, services, mesh }: ServicesConfig): ProcessName {
  return { region: mesh?.region ?? 'local', cell: mesh?.cell ?? 'main', process, services };
}

/** Signs for the mesh. The fault lab has one of its own, which can refuse. */
export type Issue = (publicKey: string, name: ProcessName) => Issued;

export interface SigningOptions {
  readonly config: ServicesConfig;
  readonly world: World;
  /** Told serial numbers of the mesh. */
  readonly onIssued?: (serial: string) => void;
  /** Default: the local authority. */
  readonly issue?: Issue | undefined;
}

/** Signs what a child asks for, as the process that it was started as. */
export function answerSigning(child: ChildProcess, options: SigningOptions): void {
  const { config, onIssued = () => {} } = options;
  if (!config.mesh && !config.edge) return;
  child.on('message', (message: Partial<SignRequest>) => {
    if (message.type !== 'sign' || message.publicKey === undefined || message.id === undefined) return;
    const outcome = signed(message as SignRequest, options);
    if (outcome.issued && !message.isForBrowsers) onIssued(outcome.issued.serial);
    const reply: SignReply = { type: 'signed', id: message.id, ...outcome };
    if (child.connected) child.send(reply satisfies ToChild, () => {});
  });
}

function signed(
  { publicKey, isForBrowsers = false }: SignRequest,
  { config, world, issue = (key, name) => openAuthority(config.dataDir, world).issue(key, name) }: SigningOptions,
): { readonly issued?: Issued; readonly error?: string } {
  const { dataDir, mesh, edge } = config;
  try {
    if (isForBrowsers && edge)
      return { issued: openEdgeAuthority(dataDir, edge.names, world).issueHost(publicKey, edge.names) };
    if (!isForBrowsers && mesh) return { issued: issue(publicKey, nameOf(config)) };
    return { error: `${config.process} gets no such certificate` };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** Has a public key signed, for the mesh or for what browsers see. */
export type Sign = (publicKey: string, isForBrowsers?: boolean) => Promise<Issued>;

/** The child's end of it. */
export function signByParent(): Sign {
  const waiting = new Map<number, PromiseWithResolvers<Issued>>();
  let asked = 0;
  process.on('message', (message: Partial<SignReply>) => {
    if (message.type !== 'signed' || message.id === undefined) return;
    const { issued, error = 'the parent gave no reason' } = message;
    const asker = waiting.get(message.id);
    waiting.delete(message.id);
    if (issued) asker?.resolve(issued);
    else asker?.reject(new Error(`no certificate: ${error}`));
  });
  return (publicKey, isForBrowsers = false) => {
    asked += 1;
    const asker = Promise.withResolvers<Issued>();
    waiting.set(asked, asker);
    // Nobody is there any more: then this process is about to end.
    process.send?.({ type: 'sign', id: asked, publicKey, isForBrowsers } satisfies SignRequest, () => {});
    return asker.promise;
  };
}
