import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import Type from 'typebox';
import type { JsonWebKeySet } from '#contracts/users';
import { createLocalTransport, defineService, type Handlers, implement } from '#kit/contract';
import { type Clock, type Logger, systemTimers, systemWorld, type Transport, type World } from '#kit/runtime';
import { createGateway, type GatewayOptions } from './index.ts';

export interface LogLine {
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** The real world with a clock that can be moved on, or stopped, and a log to look into. */
export function testWorld() {
  const lines: LogLine[] = [];
  let offsetMs = 0;
  let stopped: { readonly nowMs: number; readonly monotonicMs: number } | undefined;
  const write = (message: string, fields: object = {}) => {
    lines.push({ message, fields: { ...fields } });
  };
  const log: Logger = { debug: write, info: write, warn: write, error: write, with: () => log };
  const real = systemWorld(log);
  const clock: Clock = {
    now: () => (stopped?.nowMs ?? real.clock.now()) + offsetMs,
    monotonicMs: () => (stopped?.monotonicMs ?? real.clock.monotonicMs()) + offsetMs,
  };
  const world: World = { ...real, clock };
  return {
    world,
    lines,
    advance: (ms: number) => (offsetMs += ms),
    /** From here on only `advance` moves it: an allowance then is what it is, however slow the machine. */
    stopClock() {
      stopped ??= { nowMs: real.clock.now(), monotonicMs: real.clock.monotonicMs() };
    },
  };
}

/** A service that answers what it was asked. */
export const echo = defineService({
  service: 'echo',
  operations: {
    say: {
      method: 'POST',
      path: '/echo/{word}',
      summary: 'Say it',
      access: ['anonymous'],
      params: Type.Object({ word: Type.String() }),
      body: Type.Object({ text: Type.String() }, { additionalProperties: false }),
      responses: { 200: Type.Unknown() },
      deadlineMs: 5_000,
    },
    read: {
      method: 'GET',
      path: '/echo/{word}',
      summary: 'Read it',
      access: ['anonymous'],
      params: Type.Object({ word: Type.String() }),
      query: Type.Object({ q: Type.Optional(Type.String()) }),
      responses: { 200: Type.Unknown() },
    },
    take: {
      method: 'POST',
      path: '/take',
      summary: 'Takes work in that may end later',
      access: ['anonymous'],
      responses: { 200: Type.Unknown(), 202: Type.Unknown() },
      deadlineMs: 10_000,
    },
    open: {
      method: 'GET',
      path: '/open',
      summary: 'Looks at no token',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Unknown() },
    },
    staffOnly: {
      method: 'GET',
      path: '/staff',
      summary: 'For staff',
      access: ['staff'],
      responses: { 200: Type.Unknown() },
    },
    inside: {
      method: 'GET',
      path: '/inside',
      summary: 'For services',
      access: ['service'],
      responses: { 200: Type.Unknown() },
    },
    stuck: {
      method: 'GET',
      path: '/stuck',
      summary: 'Never answers',
      access: ['anonymous'],
      responses: { 200: Type.Unknown() },
      deadlineMs: 50,
    },
    late: {
      method: 'GET',
      path: '/late',
      summary: 'Answers when it is told to',
      access: ['anonymous'],
      responses: { 200: Type.Unknown() },
      deadlineMs: 15_000,
    },
    slow: {
      method: 'GET',
      path: '/slow',
      summary: 'Works until it is called off',
      access: ['anonymous'],
      responses: { 200: Type.Unknown() },
      deadlineMs: 15_000,
    },
  },
});

export async function createGatewayForTest(options: Partial<GatewayOptions> = {}) {
  const test = testWorld();
  const { world } = test;
  const keys: JsonWebKeySet['keys'] = [];
  const state = {
    keyFetches: 0,
    keysAway: false,
    endedSessions: [] as string[],
    unready: {} as Record<string, string>,
    started: 0,
    aborted: 0,
    finish: () => {},
  };
  const local = createLocalTransport(systemTimers);
  const handlers: Handlers<typeof echo> = {
    say: async ({ params, body }, context) => ({ status: 200, body: { params, body, headers: context.headers } }),
    read: async ({ params, query }, context) => ({
      status: 200,
      body: { params, query, headers: context.headers },
      headers: { etag: '"7"', 'holdfast-hlc': 'secret time' },
    }),
    take: async (_input, { headers }) => ({ status: 202, body: { headers } }),
    open: async (_input, { caller }) => ({ status: 200, body: { caller } }),
    staffOnly: async (_input, { caller }) => ({ status: 200, body: { caller } }),
    inside: async () => ({ status: 200, body: {} }),
    stuck: () => new Promise(() => {}),
    late: () =>
      new Promise((resolve) => {
        state.started += 1;
        state.finish = () => resolve({ status: 200, body: {} });
      }),
    slow: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        state.started += 1;
        signal.addEventListener('abort', () => {
          state.aborted += 1;
          reject(signal.reason);
        });
      }),
  };
  local.attach(implement(echo, handlers, { clock: world.clock }));
  const transport: Transport = {
    async send(request, signal) {
      if (request.service !== 'users') return local.send(request, signal);
      if (request.operation === 'endedSessions') {
        return { status: 200, headers: {}, body: { sessionIds: [...state.endedSessions] } };
      }
      state.keyFetches += 1;
      if (state.keysAway) throw new Error('users is away');
      return { status: 200, headers: {}, body: { keys: [...keys] } };
    },
  };
  const gateway = createGateway({
    world,
    transport,
    contracts: [echo],
    unready: async () => state.unready,
    ...options,
  });
  await gateway.component.start?.();
  return { ...test, gateway, state, keys, origin: gateway.address as string, close: () => stop(gateway) };
}

async function stop({ component }: { component: { drain?(): Promise<void>; stop?(): Promise<void> } }): Promise<void> {
  await component.drain?.();
  await component.stop?.();
}

export interface TestKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JsonWebKeySet['keys'][number];
}

export async function testKey(kid: string): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const { x = '' } = await exportJWK(publicKey);
  return { kid, privateKey, jwk: { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' } };
}

/** A token that is right in all but what `payload` and `header` change. */
export function tokenOf(world: World, key: TestKey, payload: JWTPayload = {}, header: object = {}): Promise<string> {
  const nowSec = Math.floor(world.clock.now() / 1000);
  const claims: JWTPayload = {
    iss: 'holdfast',
    aud: 'holdfast',
    sub: 'usr_1',
    role: 'customer',
    sid: 'ses_1',
    iat: nowSec,
    nbf: nowSec,
    exp: nowSec + 900,
    ...payload,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid, ...header })
    .sign(key.privateKey);
}
