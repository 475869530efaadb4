import type { Product } from '#contracts/products';
import type { Caller } from '#kit/contract';
import { twice } from './errand.ts';
import { type Call, isDecided, type People, staff } from './people.ts';
import type { StockPlan } from './plan.ts';

export interface StockOperationsOptions {
  readonly people: People;
  /** Told of what was answered for good, and has to be answered so once more. */
  readonly onAnswered: (call: Call, caller: Caller) => void;
}

const looks = 4;

/** Staff take goods in, count them, put them into the catalogue, and keep an eye on what is left. */
export function createStockOperations({ people: { persist, rest }, onAnswered }: StockOperationsOptions) {
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
    const reply = await twice(twins, () => persist(call, staff, isDecided));
    if (reply) onAnswered(call, staff);
  }

  async function makeProduct(id: number, { sku, unitPriceMinor }: StockPlan): Promise<string | undefined> {
    const prices = [{ currency: 'EUR', amountMinor: unitPriceMinor }];
    const body = { name: `Thing ${sku}`, status: 'active' as const, variants: [{ sku, options: {}, prices }] };
    const key = `create-${id}`;
    const send: Call['send'] = ({ products }, context) => products.create({ key, body }, context);
    const reply = await persist({ operation: id, kind: 'product', key, send }, staff, isDecided);
    return (reply?.body as Product | undefined)?.id;
  }

  async function look(id: number, sku: string): Promise<void> {
    const send: Call['send'] = ({ inventory }, context) => inventory.availability({ query: { sku: [sku] } }, context);
    for (let i = 0; i < looks; i++) {
      await persist({ operation: id, kind: 'look', send }, staff, isDecided);
      await rest();
    }
  }

  return { changeStock, makeProduct, look };
}
