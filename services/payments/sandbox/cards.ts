/** What a test payment method does when it is confirmed. Names as in docs.stripe.com/testing; no card number anywhere. */
export type CardOutcome =
  | { readonly kind: 'approved' }
  | { readonly kind: 'action-required' }
  | { readonly kind: 'declined'; readonly code: string; readonly declineCode: string };

const approved: CardOutcome = { kind: 'approved' };
const actionRequired: CardOutcome = { kind: 'action-required' };
const declined = (code: string, declineCode = code): CardOutcome => ({ kind: 'declined', code, declineCode });

const approvedBrands = [
  'visa',
  'visa_debit',
  'mastercard',
  'mastercard_debit',
  'mastercard_prepaid',
  'amex',
  'discover',
  'diners',
  'jcb',
  'unionpay',
];

const declinedCards: Record<string, CardOutcome> = {
  chargeDeclined: declined('card_declined', 'generic_decline'),
  chargeDeclinedInsufficientFunds: declined('card_declined', 'insufficient_funds'),
  chargeDeclinedLostCard: declined('card_declined', 'lost_card'),
  chargeDeclinedStolenCard: declined('card_declined', 'stolen_card'),
  chargeDeclinedFraudulent: declined('card_declined', 'fraudulent'),
  chargeDeclinedVelocityLimitExceeded: declined('card_declined', 'card_velocity_exceeded'),
  chargeDeclinedExpiredCard: declined('expired_card'),
  chargeDeclinedIncorrectCvc: declined('incorrect_cvc'),
  chargeDeclinedProcessingError: declined('processing_error'),
  radarBlock: declined('card_declined', 'fraudulent'),
};

/** Stripe took some of these over with the brand in the name, so both spellings are known. */
export const testCards: ReadonlyMap<string, CardOutcome> = new Map([
  ...approvedBrands.map((brand) => [`pm_card_${brand}`, approved] as const),
  ...Object.entries(declinedCards).flatMap(([name, outcome]) => [
    [`pm_card_${name}`, outcome] as const,
    [`pm_card_visa_${name}`, outcome] as const,
  ]),
  ['pm_card_authenticationRequired', actionRequired],
  ['pm_card_threeDSecure2Required', actionRequired],
]);

/** A decline asked for by a fault; codes that Stripe reports as an error code of their own keep it. */
export function declineOutcome(declineCode: string): CardOutcome {
  const ownCode = ['expired_card', 'incorrect_cvc', 'processing_error'].includes(declineCode);
  return declined(ownCode ? declineCode : 'card_declined', declineCode);
}
