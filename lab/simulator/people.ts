import { assistant } from '#contracts/assistant';
import { carts } from '#contracts/carts';
import { gateway } from '#contracts/gateway';
import { inventory } from '#contracts/inventory';
import { orders } from '#contracts/orders';
import { products } from '#contracts/products';
import { tills } from '#contracts/tills';
import { users } from '#contracts/users';
import { webhooks } from '#contracts/webhooks';
import { ClockSkewError, createHybridClock, createTextClock } from '#kit/clock';
import { type CallContext, type Caller, type Client, createClient, isProblem } from '#kit/contract';
import type { Random, Transport } from '#kit/runtime';
import { createAccounts } from './door/accounts.ts';
import { throughDoor } from './door/wire.ts';
import { correlationOf, type History, type Outcome } from './history.ts';
import type { Incarnation } from './node.ts';
import { between, type Simulation } from './simulation.ts';
import { idsIn } from './trace.ts';

/** How people ask the shop for something: again and again, as a patient client with an Idempotency-Key would. */
export interface People {
  /** Asks once. */
  readonly attempt: (call: Call, caller: Caller) => Promise<Outcome>;
  readonly persist: Persist;
  /** Who somebody is to the shop. */
  readonly knownAs: (caller: Caller) => Promise<Caller>;
  /** A moment between two attempts. */
  readonly rest: () => Promise<void>;
  /** How long they wait for what. */
  readonly patience: Random;
}

/** Everything that people may turn to. */
export interface Services {
  readonly carts: Client<typeof carts>;
  readonly tills: Client<typeof tills>;
  readonly assistant: Client<typeof assistant>;
  readonly users: Client<typeof users>;
  readonly products: Client<typeof products>;
  readonly orders: Client<typeof orders>;
  readonly inventory: Client<typeof inventory>;
  readonly webhooks: Client<typeof webhooks>;
  readonly gateway: Client<typeof gateway>;
}

export type Reply = { readonly status: number; readonly body: unknown };

export interface Call {
  readonly operation: number;
  readonly kind: string;
  readonly key?: string;
  readonly send: (services: Services, context: CallContext, key: string | undefined) => Promise<Reply>;
}

/** Asks until it is done (`isEnd`) or refused for good: then undefined. */
export type Persist = (call: Call, caller: Caller, isEnd: (reply: Reply) => boolean) => Promise<Reply | undefined>;

export const isDecided = ({ status }: Reply): boolean => status !== 202;

export const guest: Caller = { kind: 'anonymous', id: 'anonymous' };
export const staff: Caller = { kind: 'staff', id: 'usr_staff' };
export const admin: Caller = { kind: 'admin', id: 'usr_admin' };

const tokenRefused = 'gateway/token-refused';

const isRefusedToken = (outcome: Outcome): boolean => 'problem' in outcome && outcome.problem === tokenRefused;

function outcomeOfError(error: unknown): Outcome {
  // An answer from a machine whose clock is too far ahead is refused, as any of our own processes does.
  if (error instanceof ClockSkewError) return { problem: 'clock-skew', status: 503, final: false };
  if (!isProblem(error)) throw error;
  // Nothing has happened, and with another token it may.
  if (error.code === tokenRefused) return { problem: error.code, status: error.status, final: false };
  return { problem: error.code, status: error.status, final: error.retry === 'never' };
}

const callMsMax = 4_000;
const restMsMin = 50;
const restMsMax = 1_500;
/** Somebody who tries this often has found a shop that never answers; the liveness check will say so. */
export const attemptsMax = 200;

export interface PeopleOptions {
  readonly simulation: Simulation;
  readonly shoppers: Incarnation;
  readonly transport: Transport;
  readonly history: History;
  /** People come through a gateway: they need accounts, and show tokens. */
  readonly hasDoor: boolean;
  /** Told what nobody else may read. */
  readonly secrets: Set<string>;
}

export function createPeople({ simulation, shoppers, history, hasDoor, secrets, ...options }: PeopleOptions): People {
  const { world } = shoppers;
  /** As the gateway has one: whoever comes through it learns of everything that went through it before. */
  const logicalClock = createTextClock(createHybridClock({ clock: world.clock }));
  const patience = simulation.stream('shoppers');
  const transport = hasDoor
    ? throughDoor(options.transport, (caller) => accounts.visitorOf(caller))
    : options.transport;
  const accounts = createAccounts({
    ...{ simulation, secrets },
    timers: world.timers,
    users: createClient(users, { transport, clock: world.clock }),
    contextOf: (caller) => contextOf(caller, 0, callMsMax),
  });
  const knownAs = async (caller: Caller): Promise<Caller> => (hasDoor ? accounts.signedIn(caller) : caller);

  const contextOf = (caller: Caller, operation: number, waitMs: number): CallContext => ({
    caller,
    correlationId: correlationOf(operation),
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: world.clock.monotonicMs() + waitMs,
    signal: new AbortController().signal,
    headers: {},
  });

  /** Clients of the services for one attempt, so that the logical time of its answer is known. */
  function servicesFor(onTime: (hlc: string) => void): Services {
    const receive = (hlc: string) => {
      onTime(hlc);
      logicalClock.receive(hlc);
    };
    const options = { transport, clock: world.clock, logicalClock: { tick: logicalClock.tick, receive } };
    return {
      orders: createClient(orders, options),
      inventory: createClient(inventory, options),
      carts: createClient(carts, options),
      tills: createClient(tills, options),
      assistant: createClient(assistant, options),
      users: createClient(users, options),
      products: createClient(products, options),
      webhooks: createClient(webhooks, options),
      gateway: createClient(gateway, options),
    };
  }

  async function attempt(call: Call, person: Caller): Promise<Outcome> {
    const caller = await knownAs(person);
    const startMs = simulation.world.nowMs;
    const context = contextOf(caller, call.operation, between(patience, 500, callMsMax));
    let hlc: string | undefined;
    const services = servicesFor((time) => {
      hlc = time;
    });
    const outcome = await call.send(services, context, call.key).then(({ status, body }): Outcome => {
      return { status, body };
    }, outcomeOfError);
    if (isRefusedToken(outcome)) accounts.refused(caller);
    const { operation, kind, key } = call;
    const session = `${operation}`;
    history.record({ session, operation, kind, key, startMs, endMs: simulation.world.nowMs, outcome, hlc });
    const said = 'problem' in outcome ? `${outcome.status} ${outcome.problem}` : `${outcome.status}`;
    const text = `#${operation} ${kind}: ${said}`;
    const about = simulation.trace.isKept ? idsIn(`${correlationOf(operation)} ${JSON.stringify(outcome)}`) : undefined;
    simulation.trace.event({ atMs: simulation.world.nowMs, kind: 'client', node: 'shoppers', text, about });
    return outcome;
  }

  const rest = () => world.timers.sleep(between(patience, restMsMin, restMsMax));

  /** Until it is done (`isEnd`) or refused for good. */
  async function persist(call: Call, caller: Caller, isEnd: (reply: Reply) => boolean): Promise<Reply | undefined> {
    for (let i = 0; i < attemptsMax; i++) {
      const outcome = await attempt(call, caller);
      if ('problem' in outcome) {
        if (outcome.final) return undefined;
      } else if (isEnd(outcome)) return outcome;
      await rest();
    }
    simulation.violate('everything ends', `operation ${call.operation} (${call.kind}) has no end`);
    return undefined;
  }

  return { attempt, persist, knownAs, rest, patience };
}
