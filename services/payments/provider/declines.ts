import type { AuthorizeResult, DeclineAdvice } from './port.ts';

interface Decline {
  readonly message: string;
  readonly advice: DeclineAdvice;
}

const askBank: Decline = {
  message: 'Your bank declined this card. Please use another card or ask your bank.',
  advice: 'ask-bank',
};
const otherCard: Decline = {
  message: 'This card was declined. Please use another card.',
  advice: 'other-card',
};
const tryAgain: Decline = {
  message: 'The payment could not be completed just now. Please try again in a moment.',
  advice: 'try-again',
};
const correct = (what: string): Decline => ({
  message: `The ${what} is not correct. Please check it and try again.`,
  advice: 'correct-details',
});
const authenticate: Decline = {
  message: 'Your bank wants you to confirm this payment. Please confirm it, or use another card.',
  advice: 'authenticate',
};

/**
 * A sentence for each of Stripe's decline codes (docs.stripe.com/declines/codes). Codes for lost, stolen and suspicious
 * cards read like an ordinary decline on purpose: Stripe asks not to tell whoever holds the card.
 */
export const declineTable: Readonly<Record<string, Decline>> = {
  approve_with_id: tryAgain,
  authentication_not_handled: authenticate,
  authentication_required: authenticate,
  call_issuer: askBank,
  card_not_supported: {
    message: 'This card does not support this kind of purchase. Please use another card.',
    advice: 'other-card',
  },
  card_velocity_exceeded: {
    message: 'This card has reached its limit. Please use another card or ask your bank.',
    advice: 'other-card',
  },
  currency_not_supported: {
    message: 'This card does not support the currency of your order. Please use another card.',
    advice: 'other-card',
  },
  do_not_honor: askBank,
  do_not_try_again: askBank,
  duplicate_transaction: {
    message: 'A payment of the same amount was made a moment ago. Please check your orders before you pay again.',
    advice: 'ask-bank',
  },
  expired_card: { message: 'This card has expired. Please use another card.', advice: 'other-card' },
  fraudulent: askBank,
  generic_decline: askBank,
  incorrect_address: correct('billing address'),
  incorrect_cvc: correct('security code (CVC)'),
  incorrect_number: correct('card number'),
  incorrect_pin: correct('PIN'),
  incorrect_zip: correct('postcode'),
  insufficient_funds: {
    message: 'There is not enough money available on this card. Please use another card.',
    advice: 'other-card',
  },
  invalid_account: askBank,
  invalid_amount: {
    message: 'Your bank does not allow a payment of this amount. Please use another card or ask your bank.',
    advice: 'ask-bank',
  },
  invalid_cvc: correct('security code (CVC)'),
  invalid_expiry_month: correct('expiry month'),
  invalid_expiry_year: correct('expiry year'),
  invalid_number: correct('card number'),
  invalid_pin: correct('PIN'),
  issuer_not_available: tryAgain,
  lost_card: askBank,
  merchant_blacklist: askBank,
  mobile_device_authentication_required: authenticate,
  new_account_information_available: askBank,
  no_action_taken: askBank,
  not_permitted: askBank,
  offline_pin_required: {
    message: 'This card needs its PIN. Please insert the card and enter the PIN.',
    advice: 'correct-details',
  },
  online_or_offline_pin_required: {
    message: 'This card needs its PIN. Please insert the card and enter the PIN.',
    advice: 'correct-details',
  },
  pickup_card: askBank,
  pin_try_exceeded: {
    message: 'The PIN was entered wrongly too often. Please use another card.',
    advice: 'other-card',
  },
  processing_error: tryAgain,
  reenter_transaction: tryAgain,
  restricted_card: askBank,
  revocation_of_all_authorizations: askBank,
  revocation_of_authorization: askBank,
  security_violation: askBank,
  service_not_allowed: askBank,
  stolen_card: askBank,
  stop_payment_order: askBank,
  testmode_decline: {
    message: 'This is a test card. Please use a real card.',
    advice: 'other-card',
  },
  transaction_not_allowed: askBank,
  try_again_later: tryAgain,
  withdrawal_count_limit_exceeded: {
    message: 'This card has reached its limit. Please use another card.',
    advice: 'other-card',
  },
};

/** A decline with words for the shopper. A code that is not in the table gets the general sentence. */
export function declined(
  providerRef: string | undefined,
  code: string,
  declineCode: string | undefined,
): Extract<AuthorizeResult, { kind: 'declined' }> {
  const reason = declineCode || code;
  const { message, advice } = declineTable[reason] ?? otherCard;
  return { kind: 'declined', providerRef, code, declineCode: reason, message, advice };
}
