import type { Order, OrderState, Reason } from '#contracts/orders';

/** How far an order is, in words a shopper understands. Each sentence is true of exactly that state. */
export interface StateWords {
  readonly badge: string;
  readonly tone: 'info' | 'positive' | 'warning' | 'critical' | 'neutral';
  readonly title: string;
  readonly text: string;
}

export const stateWords: Readonly<Record<OrderState, StateWords>> = {
  received: {
    badge: 'Being confirmed',
    tone: 'info',
    title: 'We have your order, and it is safe',
    text: 'It is stored and can’t get lost. We set your goods aside and ask for the payment. You may close this page.',
  },
  held: {
    badge: 'Being confirmed',
    tone: 'info',
    title: 'Your goods are set aside',
    text: 'They are yours while we ask your bank for the payment. Nobody else can buy them meanwhile.',
  },
  authorized: {
    badge: 'Being confirmed',
    tone: 'info',
    title: 'Your payment is reserved',
    text: 'One moment: we are confirming the order.',
  },
  confirmed: {
    badge: 'Confirmed',
    tone: 'positive',
    title: 'Thank you. Your order is confirmed',
    text: 'The goods are yours and the payment is settled. A confirmation is on its way to your e-mail.',
  },
  fulfilled: {
    badge: 'Sent',
    tone: 'positive',
    title: 'Everything is on its way to you',
    text: 'All your goods have been handed over. Below is what was sent, and with whom.',
  },
  completed: {
    badge: 'Completed',
    tone: 'positive',
    title: 'Your order is complete',
    text: 'Everything has arrived. If something is not as it should be, send it back.',
  },
  refused: {
    badge: 'Not placed',
    tone: 'critical',
    title: 'This order could not be placed',
    text: 'You are not charged: whatever was reserved for it has been given back.',
  },
  cancelling: {
    badge: 'Being cancelled',
    tone: 'warning',
    title: 'Your order is being cancelled',
    text: 'The money goes back the way it came. This page tells you when it is done.',
  },
  cancelled: {
    badge: 'Cancelled',
    tone: 'neutral',
    title: 'This order is cancelled',
    text: 'The money has gone back the way it came. Banks take a few days to show it.',
  },
  returned: {
    badge: 'Returned',
    tone: 'neutral',
    title: 'Everything has come back',
    text: 'The money has gone back the way it came. Banks take a few days to show it.',
  },
};

/** The same where it takes longer than usual: what it waits for, and what to do, in as many lines. */
export const slowWords: Readonly<Partial<Record<OrderState, string>>> = {
  received:
    'This takes longer than usual: our stock has not answered yet. Your order goes on by itself; you may close this page.',
  held: 'This takes longer than usual: the payment has not been answered yet. Your order is safe and goes on by itself; you may close this page.',
  authorized:
    'This takes longer than usual: our stock has not answered yet. Your order is safe and goes on by itself; you may close this page.',
  cancelling:
    'This takes longer than usual: a part of the shop has not answered yet. It goes on by itself; you may close this page.',
};

/** The states on the way, as steps that are shown done one after the other. */
export const steps = [
  { state: 'received', title: 'Received and safe' },
  { state: 'held', title: 'Goods set aside' },
  { state: 'authorized', title: 'Payment reserved' },
  { state: 'confirmed', title: 'Confirmed' },
] as const;

/** How many steps are behind an order. */
export function stepsDone({ state }: Pick<Order, 'state'>): number {
  const at = steps.findIndex((step) => step.state === state);
  if (at >= 0) return at + 1;
  return state === 'refused' ? 1 : steps.length;
}

/** Why an order was refused and what the shopper can do. */
export function reasonWords(reason: Reason | undefined): { readonly why: string; readonly todo: string } {
  const data = (reason?.data ?? {}) as { declineCode?: string; shortages?: { sku: string; available: number }[] };
  switch (reason?.code) {
    case 'inventory/out-of-stock':
    case 'inventory/hold-ended': {
      const left = data.shortages?.[0]?.available ?? 0;
      return {
        why:
          left > 0
            ? `There are only ${left} left of something you wanted.`
            : 'Somebody was faster: something you wanted has sold out.',
        todo: 'Your cart still has everything. Change the quantity, or take it out, and order the rest.',
      };
    }
    case 'payments/declined':
      return {
        why: declineWords[data.declineCode ?? ''] ?? 'Your bank has declined the payment.',
        todo: 'Your cart still has everything. Order again with another card.',
      };
    case 'payments/voided':
      return { why: 'The payment was called off.', todo: 'Your cart still has everything. Order again when you like.' };
    default:
      return {
        why: reason?.detail ?? 'The order could not be completed in time.',
        todo: 'Your cart still has everything. Order again; if it happens again, write to us with the order number.',
      };
  }
}

const declineWords: Readonly<Record<string, string>> = {
  insufficient_funds: 'Your bank says that there is not enough money on the card.',
  expired_card: 'The card has expired.',
  incorrect_cvc: 'The security code of the card was not right.',
  authentication_required: 'Your bank wants you to confirm the payment, which this card could not do here.',
};
