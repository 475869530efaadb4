import { cartsProblems } from '#contracts/carts';
import type { CheckoutRecord, PromotionRecord } from './records.ts';
import type { PromotionUse } from './rules-store.ts';

/**
 * How often promotions have been used, as a batch of checkouts sees and changes it. Their rows are locked, so a limit is
 * kept to the unit however many check out at once.
 */
export interface UseBook {
  /** Counts a use for each code and customer, or throws and counts none. */
  use(codes: readonly string[], customers: readonly string[]): void;
  /** The order was refused: it was no use after all. */
  giveBack(checkout: Pick<CheckoutRecord, 'codes' | 'customers'>): void;
  readonly changedPromotions: () => PromotionRecord[];
  readonly changedUses: () => PromotionUse[];
}

export function createUseBook(promotions: readonly PromotionRecord[], uses: readonly PromotionUse[]): UseBook {
  const byCode = new Map(promotions.map((row) => [row.code, row]));
  const byPlace = new Map(uses.map((row) => [placeOf(row.code, row.customer), row]));
  const touchedCodes = new Set<string>();
  const touchedPlaces = new Set<string>();

  function check(code: string, customers: readonly string[]): void {
    const promotion = byCode.get(code);
    const { ordersMax = Infinity, perCustomerMax = Infinity } = promotion?.body ?? {};
    if ((promotion?.used ?? 0) >= ordersMax)
      throw cartsProblems['used-up']({ detail: code, data: { promotion: code } });
    for (const customer of customers) {
      if ((byPlace.get(placeOf(code, customer))?.used ?? 0) < perCustomerMax) continue;
      const detail = `${code} may be used ${perCustomerMax} times by one customer`;
      throw cartsProblems['used-up']({ detail, data: { promotion: code } });
    }
  }

  function count(code: string, customers: readonly string[], change: 1 | -1): void {
    const promotion = byCode.get(code);
    if (promotion) byCode.set(code, { ...promotion, used: Math.max(0, promotion.used + change) });
    touchedCodes.add(code);
    for (const customer of customers) {
      const place = placeOf(code, customer);
      const used = Math.max(0, (byPlace.get(place)?.used ?? 0) + change);
      byPlace.set(place, { code, customer, used });
      touchedPlaces.add(place);
    }
  }

  return {
    use(codes, customers) {
      for (const code of codes) check(code, customers);
      for (const code of codes) count(code, customers, 1);
    },
    giveBack({ codes, customers }) {
      for (const code of codes) count(code, customers, -1);
    },
    changedPromotions: () => [...byCode.values()].filter(({ code }) => touchedCodes.has(code)),
    changedUses: () => [...byPlace].flatMap(([place, row]) => (touchedPlaces.has(place) ? [row] : [])),
  };
}

const placeOf = (code: string, customer: string): string => `${code} ${customer}`;
