/**
 * Ways to pay at the sandbox provider. A real provider puts its own fields here and hands back a token of the same kind; no
 * card number ever reaches this shop.
 */
export const cards = [
  { method: 'pm_card_visa', name: 'Test card, Visa', note: 'Is approved' },
  { method: 'pm_card_mastercard', name: 'Test card, Mastercard', note: 'Is approved' },
  {
    method: 'pm_card_chargeDeclinedInsufficientFunds',
    name: 'Test card without funds',
    note: 'Is declined by its bank',
  },
] as const;
