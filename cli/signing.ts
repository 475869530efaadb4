import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { type Authority, createAuthority, type Issued, type ProcessName } from '#kit/mesh';
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

export const authorityFolder = (dataDir: string): string => join(dataDir, 'mesh');

export function nameOf({ process, services, mesh }: ServicesConfig): ProcessName {
  return { region: mesh?.region ?? 'local', cell: mesh?.cell ?? 'main', process, services };
}

/** Signs what a child asks for, as the process that it was started as. */
export function answerSigning(child: ChildProcess, config: ServicesConfig, world: World): void {
  if (!config.mesh) return;
  const authority = openAuthority(config.dataDir, world);
  child.on('message', (message: Partial<SignRequest>) => {
    if (message.type !== 'sign' || message.publicKey === undefined || message.id === undefined) return;
    const reply: SignReply = { type: 'signed', id: message.id, ...signed(authority, message.publicKey, config) };
    if (child.connected) child.send(reply satisfies ToChild, () => {});
  });
}

function signed(authority: Authority, publicKey: string, config: ServicesConfig) {
  try {
    return { issued: authority.issue(publicKey, nameOf(config)) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** The child's end of it. */
export function signByParent(): (publicKey: string) => Promise<Issued> {
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
  return (publicKey) => {
    asked += 1;
    const asker = Promise.withResolvers<Issued>();
    waiting.set(asked, asker);
    process.send?.({ type: 'sign', id: asked, publicKey } satisfies SignRequest);
    return asker.promise;
  };
}
