import type { OrderRecord } from './model.ts';

/** A confirmed order of four mugs in two lines and a cup, with postage; nothing is sent yet. */
export const confirmedOrder: OrderRecord = {
  id: 'ord_1',
  customerId: null,
  email: 'ada@example.org',
  channel: 'web',
  currency: 'EUR',
  totalMinor: 3_990,
  country: null,
  lines: [
    { kind: 'goods', sku: 'MUG', name: 'A mug', quantity: 3, unitPriceMinor: 500, totalMinor: 1_500 },
    { kind: 'goods', sku: 'CUP', name: 'A cup', quantity: 1, unitPriceMinor: 1_500, totalMinor: 1_500 },
    { kind: 'goods', sku: 'MUG', name: 'A mug', quantity: 1, unitPriceMinor: 500, totalMinor: 500 },
    { kind: 'shipping', name: 'Post', quantity: 1, unitPriceMinor: 490, totalMinor: 490 },
  ],
  shippingAddress: null,
  state: 'confirmed',
  reason: null,
  refundedMinor: 0,
  returns: [],
  refunds: [],
  cancellation: null,
  shipments: null,
  scope: 's',
  businessKey: 'k',
  placedAtMs: 0,
  decidedAtMs: 0,
  hlc: null,
};
