import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { Cancel, Clock, Logger, Random, Timers } from '#kit/runtime';
import type { Issued } from '../authority/index.ts';
import type { ProcessName } from './name.ts';

/** What one end of a connection shows, and whom it believes. */
export interface Credentials {
  readonly name: ProcessName;
  /** PEM, made in this process and kept in its memory only. */
  readonly key: string;
  readonly certificate: string;
  readonly trust: string;
  readonly serial: string;
}

/** Who this process is. Renewed while it lives: whoever uses it listens for the next credentials. */
export interface Identity {
  readonly current: Credentials;
  /** Called with each renewal. */
  onRenewed(task: (credentials: Credentials) => void): Cancel;
  /** A new key and certificate at once; otherwise this happens by itself after half of a lifetime. */
  renew(): Promise<void>;
  stop(): void;
}

export interface IdentityOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  readonly name: ProcessName;
  /** Has a public key (PEM) signed by the authority, as the process that is called `name`. */
  readonly sign: (publicKey: string) => Promise<Issued>;
}

/** Part of the lifetime after which a certificate is renewed; the rest is for an authority that is away. */
const renewAfterShare = 0.5;
/** Processes that started together don't renew together. */
const renewSpread = 0.2;
const retryAfterShare = 0.05;

const newKeyPair = promisify(generateKeyPair);

export async function createIdentity(options: IdentityOptions): Promise<Identity> {
  const { timers, random, log, name, sign } = options;
  const listeners = new Set<(credentials: Credentials) => void>();
  let { credentials, lifetimeMs } = await obtain();
  let stopped = false;
  let cancel = schedule(renewAfterShare);

  async function obtain() {
    const { privateKey, publicKey } = await newKeyPair('ec', {
      namedCurve: 'prime256v1',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const { certificate, trust, serial, lifetimeMs } = await sign(publicKey);
    return { credentials: { name, key: privateKey, certificate, trust, serial }, lifetimeMs };
  }

  function schedule(share: number): Cancel {
    if (stopped) return () => {};
    return timers.after(lifetimeMs * share * (1 - renewSpread * random.next()), () => {
      renew().catch((error) => {
        log.warn('the certificate of this process could not be renewed; trying again', { error });
        cancel = schedule(retryAfterShare);
      });
    });
  }

  async function renew(): Promise<void> {
    cancel();
    ({ credentials, lifetimeMs } = await obtain());
    cancel = schedule(renewAfterShare);
    for (const listener of listeners) listener(credentials);
  }

  return {
    get current() {
      return credentials;
    },
    onRenewed(task) {
      listeners.add(task);
      return () => listeners.delete(task);
    },
    renew,
    stop() {
      stopped = true;
      cancel();
      listeners.clear();
    },
  };
}
