import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { World } from '#kit/runtime';
import { findFreePort, identify } from '#kit/store/embedded';
import { readAdminAccount } from './admin.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { createSession, createTokenFile, type Session } from './session.ts';

/** How a command gets to a system: the one at a URL, the one that runs on a data directory, or one of its own. */
export interface ReachOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly dataDir: string;
  readonly world: World;
  /** Starts a system on the data directory when none is running there. */
  readonly mayStart: boolean;
}

export interface Reached {
  readonly origin: string;
  readonly session: Session;
  /** Ends the session, and the system if it was started for this command. */
  close(): Promise<void>;
}

const probeTimeoutMs = 5_000;

export async function reach(options: ReachOptions): Promise<Reached> {
  const { url, dataDir, world } = options;
  if (url !== undefined) return reachUrl(originOf(url), options);
  const running = runningOrigin(dataDir);
  if (running !== undefined && (await answers(running))) return reachLocal(running, options);
  if (!options.mayStart) {
    throw new Failure(
      exitCodes.unavailable,
      `No Holdfast is running on ${dataDir}: start one with "npx holdfast up", or name one with --url.`,
    );
  }
  const system = await startSystem(dataDir);
  try {
    const reached = await reachLocal(system.origin, options);
    const close = async () => {
      await reached.close();
      await system.stop();
    };
    return { ...reached, close };
  } catch (error) {
    await system.stop();
    throw error;
  }

  async function reachLocal(origin: string, { tokenFile }: ReachOptions): Promise<Reached> {
    const admin = readAdminAccount(dataDir, world.random);
    if (tokenFile === undefined && !fromEnvironment() && admin) {
      return withSession(origin, createSession({ origin, ...admin, clock: world.clock }));
    }
    return reachUrl(origin, options);
  }
}

async function reachUrl(origin: string, { tokenFile, world }: ReachOptions): Promise<Reached> {
  if (!(await answers(origin))) {
    throw new Failure(exitCodes.unavailable, `No Holdfast answers at ${origin}: start it, or correct --url.`);
  }
  if (tokenFile !== undefined) return withSession(origin, createTokenFile(tokenFile));
  const account = fromEnvironment();
  if (account) return withSession(origin, createSession({ origin, ...account, clock: world.clock }));
  throw new Failure(
    exitCodes.usage,
    `Nobody to sign in as at ${origin}: set HOLDFAST_EMAIL and HOLDFAST_PASSWORD of a staff account, or give --token-file.`,
  );
}

/** Signs in at once, so that a wrong password is said before any work is done. */
async function withSession(origin: string, session: Session): Promise<Reached> {
  await session.token();
  return { origin, session, close: () => session.close() };
}

function fromEnvironment(): { email: string; password: string } | undefined {
  const { HOLDFAST_EMAIL: email, HOLDFAST_PASSWORD: password } = process.env;
  return email && password ? { email, password } : undefined;
}

function originOf(text: string): string {
  try {
    const { protocol, origin } = new URL(text);
    if (protocol === 'http:' || protocol === 'https:') return origin;
  } catch {
    // Said below.
  }
  throw new Failure(exitCodes.usage, `"${text}" is no address: give one like http://127.0.0.1:4080.`);
}

function runningOrigin(dataDir: string): string | undefined {
  try {
    const state = JSON.parse(readFileSync(join(dataDir, 'running.json'), 'utf8'));
    return identify(state.pid) === undefined ? undefined : state.urls?.gateway;
  } catch {
    return undefined;
  }
}

async function answers(origin: string): Promise<boolean> {
  try {
    const timeouts = { headersTimeout: probeTimeoutMs, bodyTimeout: probeTimeoutMs };
    const { statusCode, body } = await request(`${origin}/livez`, timeouts);
    await body.dump();
    return statusCode === 200;
  } catch {
    return false;
  }
}

const program = fileURLToPath(new URL('./main.ts', import.meta.url));
/** More output than this before it is up is no result. */
const resultSizeMax = 100_000;

/**
 * The system as a process of its own: two cores are used, and what is measured is what a client sees. In a process
 * group of its own, so that Ctrl-C reaches this command alone, which ends its requests first; and with a lifeline, so
 * that it ends with this command however that ends.
 */
async function startSystem(dataDir: string): Promise<{ origin: string; stop(): Promise<void> }> {
  const port = await findFreePort();
  const args = [
    program,
    'up',
    '--json',
    '--quiet',
    '--topology',
    'one-process',
    '--data-dir',
    dataDir,
    '--port',
    String(port),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    env: { ...process.env, HOLDFAST_LIFELINE: '3' },
    detached: true,
  });
  const exited = once(child, 'exit').catch(() => {});
  let text = '';
  const line = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.length < resultSizeMax) text += chunk;
      if (text.includes('\n')) resolve();
    });
  });
  await Promise.race([line, exited]);
  const result = parseResult(text);
  if (result?.ok === true) {
    return {
      origin: result.urls.gateway,
      async stop() {
        child.kill('SIGTERM');
        await exited;
      },
    };
  }
  child.kill('SIGTERM');
  await exited;
  throw new Failure(
    result?.exitCode ?? exitCodes.unavailable,
    result?.error ?? 'Holdfast could not be started: its messages are above.',
  );
}

type UpResult =
  | { readonly ok: true; readonly urls: { readonly gateway: string } }
  | { readonly ok: false; readonly error: string; readonly exitCode: ExitCode };

function parseResult(text: string): UpResult | undefined {
  try {
    return JSON.parse(text.split('\n', 1)[0] ?? '');
  } catch {
    return undefined;
  }
}
