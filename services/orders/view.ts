import type { Order } from '#contracts/orders';
import { type OrderRecord, shownState } from './model.ts';

/** An order as callers see it. */
export function viewOf(order: OrderRecord, sagaStep?: number): Order {
  return {
    id: order.id,
    businessKey: order.businessKey,
    state: shownState(order.state, sagaStep),
    ...(order.reason === null ? {} : { reason: order.reason }),
    email: order.email,
    ...(order.customerId === null ? {} : { customerId: order.customerId }),
    channel: order.channel,
    currency: order.currency,
    totalMinor: order.totalMinor,
    ...(order.country === null ? {} : { country: order.country }),
    lines: [...order.lines],
    ...(order.shippingAddress == null
      ? {}
      : { shippingAddress: order.shippingAddress as NonNullable<Order['shippingAddress']> }),
    refundedMinor: order.refundedMinor,
    returns: [...order.returns],
    refunds: [...order.refunds],
    ...(order.shipments === null ? {} : { shipments: [...order.shipments] }),
    ...(order.cancellation === null ? {} : { cancellation: order.cancellation }),
    placedAt: new Date(order.placedAtMs).toISOString(),
    ...(order.decidedAtMs === null ? {} : { decidedAt: new Date(order.decidedAtMs).toISOString() }),
  };
}
