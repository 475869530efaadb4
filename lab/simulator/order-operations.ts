import type { Order } from '#contracts/orders';
import type { Caller } from '#kit/contract';
import type { Timers } from '#kit/runtime';
import { twice } from './errand.ts';
import type { ErrandBook } from './errands.ts';
import { admin, attemptsMax, type Call, guest, isDecided, type People, staff } from './people.ts';
import type { Operation } from './plan.ts';
import { between, type Simulation } from './simulation.ts';

export interface OrderOperationsOptions {
  readonly simulation: Simulation;
  readonly timers: Timers;
  readonly people: People;
  readonly owners: ErrandBook['owners'];
  readonly productOf: (sku: string) => Promise<string | undefined>;
  /** Told of what was answered for good, and has to be answered so once more. */
  readonly onAnswered: (call: Call, caller: Caller) => void;
}

const looksForSaga = 12;
const lookMsMin = 5;
const lookMsMax = 100;

/** Orders are placed, read, cancelled, given back, refunded, and given up while they are under way. */
export function createOrderOperations({ simulation, timers, people, owners, ...options }: OrderOperationsOptions) {
  const { productOf, onAnswered } = options;
  const { attempt, persist, knownAs, patience } = people;
  const placed = new Map<number, { readonly order: Order; readonly caller: Caller }>();

  async function place(operation: Extract<Operation, { kind: 'place' }>): Promise<void> {
    const { id, customer, email, lines, method, twins } = operation;
    for (const { sku } of lines) await productOf(sku);
    const caller: Caller = customer ? { kind: 'customer', id: customer } : guest;
    const body = { email, currency: 'EUR', lines: [...lines], payment: { method } };
    const callOf = (wanted: typeof body, kind: string): Call => ({
      operation: id,
      kind,
      key: `place-${id}`,
      send: ({ orders }, context, key = '') => orders.place({ key, body: wanted }, context),
    });
    const call = callOf(body, 'place');
    const reply = await twice(twins, () => persist(call, caller, isDecided));
    if (reply) {
      onAnswered(call, caller);
      const order = reply.body as Order;
      placed.set(id, { order, caller });
      const customerId = customer ? (await knownAs(caller)).id : undefined;
      owners.push({ orderId: order.id, customerId });
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
      await timers.sleep(waitMs);
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
    const reply = await twice(twins, () => persist(call, who, isDecided));
    if (reply) onAnswered(call, who);
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
      await timers.sleep(between(patience, lookMsMin, lookMsMax));
    }
    return undefined;
  }

  return { place, change: changeOrder };
}
