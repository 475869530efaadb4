import type { Caller } from '#kit/contract';
import type { Transport } from '#kit/runtime';
import { createErrands, type ErrandBook } from './errands.ts';
import type { History } from './history.ts';
import type { Incarnation } from './node.ts';
import { createOrderOperations } from './order-operations.ts';
import { type Call, createPeople, isDecided } from './people.ts';
import type { Errand, Operation, StockPlan } from './plan.ts';
import type { Simulation } from './simulation.ts';
import { createStockOperations } from './stock-operations.ts';
import type { Merchants } from './webhooks/merchants.ts';

/** People at work: each operation is tried until it has an end. */
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

/** Ids of what brings the first goods, and of what makes products, between those of operations and of errands. */
const firstGoods = 10_000;
const firstProduct = 15_000;

export interface WorkloadOptions {
  readonly simulation: Simulation;
  readonly shoppers: Incarnation;
  readonly transport: Transport;
  readonly history: History;
  readonly merchants: Pick<Merchants, 'leave'>;
  /** People come through a gateway: they need accounts, and show tokens. */
  readonly hasDoor: boolean;
}

export function createWorkload({ simulation, shoppers, merchants, ...options }: WorkloadOptions): Workload {
  const { world } = shoppers;
  const repeats: { readonly call: Call; readonly caller: Caller }[] = [];
  let open = 0;
  /** Products by SKU, where there is a catalogue. */
  const products = new Map<string, Promise<string | undefined>>();
  const secrets = new Set<string>();
  const people = createPeople({ simulation, shoppers, secrets, ...options });
  const productOf = async (sku: string) => products.get(sku);
  const errands = createErrands({ simulation, world, people, productOf, merchants, secrets });
  const onAnswered = (call: Call, caller: Caller) => void repeats.push({ call, caller });
  const { owners } = errands.book;
  const { timers } = world;
  const orders = createOrderOperations({ simulation, timers, people, owners, productOf, onAnswered });
  const stock = createStockOperations({ people, onAnswered });

  function perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'place':
        return orders.place(operation);
      case 'receive':
      case 'adjust':
        return stock.changeStock(operation.id, operation.kind, operation.sku, operation.quantity, operation.twins);
      case 'look':
        return stock.look(operation.id, operation.sku);
      default:
        return orders.change(operation);
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
    start({ stock: goods, operations, errands: wanted, makesProducts }) {
      if (makesProducts) {
        for (const [i, one] of goods.entries()) {
          const made = stock.makeProduct(firstProduct + i, one);
          products.set(one.sku, made);
          run(made.then(() => {}));
        }
      }
      // The first goods come in like any others: over the network, while everything fails.
      for (const [i, { sku, quantity }] of goods.entries()) {
        run(stock.changeStock(firstGoods + i, 'receive', sku, quantity, 0));
      }
      for (const operation of operations) {
        run(world.timers.sleep(operation.atMs).then(() => perform(operation)));
      }
      for (const errand of wanted) run(world.timers.sleep(errand.atMs).then(() => errands.perform(errand)));
    },
    repeatAll() {
      for (const { call, caller } of repeats) run(people.persist(call, caller, isDecided).then(() => {}));
    },
  };
}
