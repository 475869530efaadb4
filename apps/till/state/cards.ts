/**
 * What a customer may hold to the terminal at the sandbox provider. A provider of card terminals puts its own flow here and
 * hands back a token of the same kind; no card number ever reaches the till.
 */
export const cards = [
  { method: 'pm_card_visa', name: 'Test card, Visa' },
  { method: 'pm_card_mastercard', name: 'Test card, Mastercard' },
  { method: 'pm_card_chargeDeclinedInsufficientFunds', name: 'Test card without funds' },
] as const;
