import type { CheckoutState, Destination, PromotionInput } from '#contracts/carts';
import type { OrderState, PlaceOrder, Reason } from '#contracts/orders';
import type { Totals } from '#contracts/totals';
import type { LineMap, Seen } from './lines.ts';

/** A cart as it is kept. */
export interface CartRecord {
  readonly id: string;
  readonly customerId: string | null;
  readonly version: number;
  readonly round: number;
  readonly currency: string;
  readonly destination: Destination | null;
  readonly shippingMethod: string | null;
  readonly codes: readonly string[];
  readonly lines: LineMap;
  /** Of a guest's: the cart that it has joined, and whose that is. Nobody else's cart takes its items as well. */
  readonly joinedInto: string | null;
  readonly joinedBy: string | null;
  readonly updatedAtMs: number;
}

export interface CheckoutRecord {
  readonly businessKey: string;
  readonly cartId: string;
  readonly round: number;
  readonly state: CheckoutState;
  readonly fingerprint: string;
  /** The order as it will be placed; null once it is decided. */
  readonly request: PlaceOrder | null;
  readonly totals: Totals;
  readonly seen: Seen;
  readonly codes: readonly string[];
  readonly customers: readonly string[];
  readonly orderId: string | null;
  readonly orderState: OrderState | null;
  readonly reason: Reason | null;
  readonly startedAtMs: number;
}

export interface PromotionRecord {
  readonly code: string;
  readonly body: PromotionInput;
  readonly used: number;
  readonly version: number;
}

export const businessKeyOf = (cartId: string, round: number): string => `${cartId}.${round}`;

export const isOpen = ({ state }: Pick<CheckoutRecord, 'state'>): boolean => state === 'saved' || state === 'placed';
