import { assistant as assistantContract } from '#contracts/assistant';
import { carts as cartsContract } from '#contracts/carts';
import { gateway as gatewayContract } from '#contracts/gateway';
import { inventory as inventoryContract } from '#contracts/inventory';
import { type Order, orders as ordersContract } from '#contracts/orders';
import { type Product, products as productsContract } from '#contracts/products';
import { tills as tillsContract } from '#contracts/tills';
import { users as usersContract } from '#contracts/users';
import { webhooks as webhooksContract } from '#contracts/webhooks';
import { ClockSkewError, createHybridClock, createTextClock } from '#kit/clock';
import { type CallContext, type Caller, createClient, isProblem } from '#kit/contract';
import type { Transport } from '#kit/runtime';
import { createAccounts } from './door/accounts.ts';
import { throughDoor } from './door/wire.ts';
import { createErrands, type ErrandBook, type ErrandServices } from './errands.ts';
import type { History, Outcome } from './history.ts';
import type { Incarnation } from './node.ts';
import type { Errand, Operation, StockPlan } from './plan.ts';
import { between, type Simulation } from './simulation.ts';
import { idsIn } from './trace.ts';
import type { Merchants } from './webhooks/merchants.ts';

/** People at work: each operation is tried until it has an end, as a patient client with an Idempotency-Key would. */
export interface Workload {
  start(work: {
    readonly stock: readonly StockPlan[];
    readonly operations: readonly Operation[];
    readonly errands: readonly Errand[];
    /** Products have to be made before anything can be sold. */
    readonly makesProducts: boolean;
  }): void;
  /** What came of errands. */
  readonly errands: ErrandBook;
  /** Operations that have not ended yet. */
  readonly open: number;
  /** Asks everything once more under its old key: whatever happened, the answer must be the same. */
  repeatAll(): void;
}

export type Reply = { readonly status: number; readonly body: unknown };

export interface Call {
  readonly operation: number;
  readonly kind: string;
  readonly key?: string;
  readonly send: (services: ErrandServices, context: CallContext, key: string | undefined) => Promise<Reply>;
}

/** Asks until it is done (`isEnd`) or refused for good: then undefined. */
export type Persist = (call: Call, caller: Caller, isEnd: (reply: Reply) => boolean) => Promise<Reply | undefined>;

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
const looks = 4;
const looksForSaga = 12;
const restMsMin = 50;
const restMsMax = 1_500;
/** Somebody who tries this often has found a shop that never answers; the liveness check will say so. */
const attemptsMax = 200;
/** Ids of what makes products, between those of the first goods and of errands. */
const firstProduct = 15_000;

const staff: Caller = { kind: 'staff', id: 'usr_staff' };
const admin: Caller = { kind: 'admin', id: 'usr_admin' };

export interface WorkloadOptions {
  readonly simulation: Simulation;
  readonly shoppers: Incarnation;
  readonly transport: Transport;
  readonly history: History;
  readonly merchants: Pick<Merchants, 'leave'>;
  /** People come through a gateway: they need accounts, and show tokens. */
  readonly hasDoor: boolean;
}

export function createWorkload({ simulation, shoppers, history, hasDoor, ...options }: WorkloadOptions): Workload {
  const { world } = shoppers;
  /** As the gateway has one: whoever comes through it learns of everything that went through it before. */
  const logicalClock = createTextClock(createHybridClock({ clock: world.clock }));
  const patience = simulation.stream('shoppers');
  const placed = new Map<number, { readonly order: Order; readonly caller: Caller }>();
  const repeats: { readonly call: Call; readonly caller: Caller }[] = [];
  let open = 0;
  /** Products by SKU, where there is a catalogue. */
  const products = new Map<string, Promise<string | undefined>>();
  const transport = hasDoor
    ? throughDoor(options.transport, (caller) => accounts.visitorOf(caller))
    : options.transport;
  const secrets = new Set<string>();
  const accounts = createAccounts({
    ...{ simulation, secrets },
    timers: world.timers,
    users: createClient(usersContract, { transport, clock: world.clock }),
    contextOf: (caller) => contextOf(caller, 0, callMsMax),
  });
  const knownAs = async (caller: Caller): Promise<Caller> => (hasDoor ? accounts.signedIn(caller) : caller);

  const contextOf = (caller: Caller, operation: number, waitMs: number): CallContext => ({
    caller,
    correlationId: `op-${operation}`,
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: world.clock.monotonicMs() + waitMs,
    signal: new AbortController().signal,
    headers: {},
  });

  /** Clients of the services for one attempt, so that the logical time of its answer is known. */
  function servicesFor(onTime: (hlc: string) => void): ErrandServices {
    const receive = (hlc: string) => {
      onTime(hlc);
      logicalClock.receive(hlc);
    };
    const options = { transport, clock: world.clock, logicalClock: { tick: logicalClock.tick, receive } };
    return {
      orders: createClient(ordersContract, options),
      inventory: createClient(inventoryContract, options),
      carts: createClient(cartsContract, options),
      tills: createClient(tillsContract, options),
      assistant: createClient(assistantContract, options),
      users: createClient(usersContract, options),
      products: createClient(productsContract, options),
      webhooks: createClient(webhooksContract, options),
      gateway: createClient(gatewayContract, options),
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
    const about = simulation.trace.isKept ? idsIn(`op-${operation} ${JSON.stringify(outcome)}`) : undefined;
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

  const productOf = async (sku: string) => products.get(sku);
  const errands = createErrands({
    ...{ simulation, world, persist, attempt, knownAs, productOf, secrets },
    merchants: options.merchants,
  });

  const isDecided = ({ status }: Reply) => status !== 202;

  async function withTwins(twins: number, once: () => Promise<Reply | undefined>): Promise<Reply | undefined> {
    const replies = await Promise.all(Array.from({ length: 1 + twins }, once));
    return replies.find((reply) => reply !== undefined);
  }

  async function place(operation: Extract<Operation, { kind: 'place' }>): Promise<void> {
    const { id, customer, email, lines, method, twins } = operation;
    for (const { sku } of lines) await productOf(sku);
    const caller: Caller = customer ? { kind: 'customer', id: customer } : { kind: 'anonymous', id: 'anonymous' };
    const body = { email, currency: 'EUR', lines: [...lines], payment: { method } };
    const callOf = (wanted: typeof body, kind: string): Call => ({
      operation: id,
      kind,
      key: `place-${id}`,
      send: ({ orders }, context, key = '') => orders.place({ key, body: wanted }, context),
    });
    const call = callOf(body, 'place');
    const reply = await withTwins(twins, () => persist(call, caller, isDecided));
    if (reply) {
      repeats.push({ call, caller });
      const order = reply.body as Order;
      placed.set(id, { order, caller });
      const customerId = customer ? (await knownAs(caller)).id : undefined;
      errands.book.owners.push({ orderId: order.id, customerId });
    }
    if (operation.mismatch) {
      const other = { ...body, lines: body.lines.map((line) => ({ ...line, quantity: line.quantity + 1 })) };
      await persist(callOf(other, 'place-mismatch'), caller, isDecided);
    }
  }

  /** An order that an operation is about, once it has been placed. */
  async function orderOf(id: number): Promise<{ order: Order; caller: Caller } | undefined> {
    const waitMs = 250;
    for (let i = 0; i < attemptsMax; i++) {
      const found = placed.get(id);
      if (found) return found;
      if (!simulation.faultsOn) return undefined;
      await world.timers.sleep(waitMs);
    }
    return undefined;
  }

  async function changeOrder(operation: Extract<Operation, { of: number }>): Promise<void> {
    const { id, kind, twins } = operation;
    if (kind === 'abandon') return abandon(operation);
    const found = await orderOf(operation.of);
    if (!found) return;
    const { order, caller } = found;
    const orderId = order.id;
    if (kind === 'read') {
      await persist(
        {
          operation: operation.of,
          kind: 'read',
          send: ({ orders }, context) => orders.get({ params: { orderId } }, context),
        },
        caller,
        isDecided,
      );
      return;
    }
    const key = `${kind}-${id}`;
    const call: Call = { operation: id, kind, key, send: sendChange(operation, order) };
    const who = kind === 'cancel' ? caller : staff;
    const reply = await withTwins(twins, () => persist(call, who, isDecided));
    if (reply) repeats.push({ call, caller: who });
  }

  function sendChange(operation: Extract<Operation, { of: number }>, order: Order): Call['send'] {
    const params = { orderId: order.id };
    if (operation.kind === 'cancel')
      return ({ orders }, context, key = '') =>
        orders.cancel({ key, params, body: { reason: 'changed my mind' } }, context);
    if (operation.kind === 'return') {
      const { sellable } = operation;
      const [line] = order.lines;
      const lines = [{ sku: line?.sku ?? '', quantity: 1 }];
      return ({ orders }, context, key = '') => orders.return({ key, params, body: { lines, sellable } }, context);
    }
    const share = operation.kind === 'refund' ? operation.share : 0;
    const amountMinor = Math.max(1, Math.floor(order.totalMinor * share));
    return ({ orders }, context, key = '') => orders.refund({ key, params, body: { amountMinor } }, context);
  }

  /**
   * Someone gives up on the newest order under way, and looks what became of it: the saga has to turn round from wherever
   * it is, and past its pivot it may not be given up.
   */
  async function abandon({ id }: Extract<Operation, { of: number }>): Promise<void> {
    const saga = await sagaUnderWay(id);
    if (!saga) return;
    const params = { sagaId: saga.id };
    const body = { reason: 'simulated operator' };
    await attempt(
      { operation: id, kind: 'abandon', send: ({ orders }, context) => orders.abandonSaga({ params, body }, context) },
      admin,
    );
    const call: Call = {
      operation: id,
      kind: 'saga',
      send: ({ orders }, context) => orders.inspectSaga({ params }, context),
    };
    await persist(call, admin, isDecided);
  }

  /** Orders are quick: it may take a few looks to see one under way. */
  async function sagaUnderWay(operation: number): Promise<{ readonly id: string } | undefined> {
    const send: Call['send'] = ({ orders }, context) => orders.listSagas({ query: { status: 'running' } }, context);
    for (let i = 0; i < looksForSaga; i++) {
      const outcome = await attempt({ operation, kind: 'sagas', send }, admin);
      const items = 'body' in outcome ? (outcome.body as { items: { id: string; definition: string }[] }).items : [];
      const saga = items.filter(({ definition }) => definition === 'place-order').at(-1);
      if (saga) return saga;
      await world.timers.sleep(between(patience, 5, 2 * restMsMin));
    }
    return undefined;
  }

  async function changeStock(id: number, kind: 'receive' | 'adjust', sku: string, quantity: number, twins: number) {
    const call: Call = {
      operation: id,
      kind,
      key: `${kind}-${id}`,
      send: ({ inventory }, context, key = '') =>
        kind === 'receive'
          ? inventory.receive({ key, body: { lines: [{ sku, quantity }] } }, context)
          : inventory.adjust({ key, body: { lines: [{ sku, change: quantity }], reason: 'counted' } }, context),
    };
    const reply = await withTwins(twins, () => persist(call, staff, isDecided));
    if (reply) repeats.push({ call, caller: staff });
  }

  async function makeProduct(id: number, { sku, unitPriceMinor }: StockPlan): Promise<string | undefined> {
    const prices = [{ currency: 'EUR', amountMinor: unitPriceMinor }];
    const body = { name: `Thing ${sku}`, status: 'active' as const, variants: [{ sku, options: {}, prices }] };
    const key = `create-${id}`;
    const send: Call['send'] = ({ products }, context) => products.create({ key, body }, context);
    const reply = await persist({ operation: id, kind: 'product', key, send }, staff, isDecided);
    return (reply?.body as Product | undefined)?.id;
  }

  /** Someone who keeps an eye on what is left. */
  async function look(id: number, sku: string): Promise<void> {
    const send: Call['send'] = ({ inventory }, context) => inventory.availability({ query: { sku: [sku] } }, context);
    for (let i = 0; i < looks; i++) {
      await persist({ operation: id, kind: 'look', send }, staff, isDecided);
      await rest();
    }
  }

  function perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'place':
        return place(operation);
      case 'receive':
      case 'adjust':
        return changeStock(operation.id, operation.kind, operation.sku, operation.quantity, operation.twins);
      case 'look':
        return look(operation.id, operation.sku);
      default:
        return changeOrder(operation);
    }
  }

  /** Counts it as open until it has ended; what it throws is a fault of the workload itself. */
  function run(work: Promise<void>): void {
    open += 1;
    work
      .catch((error) => simulation.violate('the workload itself works', String(error?.stack ?? error)))
      .finally(() => {
        open -= 1;
      });
  }

  return {
    get open() {
      return open;
    },
    errands: errands.book,
    start({ stock, operations, errands: wanted, makesProducts }) {
      if (makesProducts) {
        for (const [i, one] of stock.entries()) {
          const made = makeProduct(firstProduct + i, one);
          products.set(one.sku, made);
          run(made.then(() => {}));
        }
      }
      // The first goods come in like any others: over the network, while everything fails.
      for (const [i, { sku, quantity }] of stock.entries()) {
        run(changeStock(10_000 + i, 'receive', sku, quantity, 0));
      }
      for (const operation of operations) {
        run(world.timers.sleep(operation.atMs).then(() => perform(operation)));
      }
      for (const errand of wanted) run(world.timers.sleep(errand.atMs).then(() => errands.perform(errand)));
    },
    repeatAll() {
      for (const { call, caller } of repeats) run(persist(call, caller, isDecided).then(() => {}));
    },
  };
}
