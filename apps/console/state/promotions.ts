import type { Promotion, PromotionInput } from '#contracts/carts';
import { percentText } from '#contracts/pricing';
import { money } from '#ui/format.ts';

export type Amounts = Readonly<Record<string, number>>;

/** How a promotion stands at a time, in one word. */
export function standingOf(promotion: Promotion, nowMs: number) {
  const { active = true, startsAt, endsAt, ordersMax, used } = promotion;
  if (!active) return { tone: 'neutral', word: 'off' } as const;
  if (endsAt !== undefined && Date.parse(endsAt) <= nowMs) return { tone: 'neutral', word: 'over' } as const;
  if (ordersMax !== undefined && used >= ordersMax) return { tone: 'warning', word: 'used up' } as const;
  if (startsAt !== undefined && Date.parse(startsAt) > nowMs) return { tone: 'info', word: 'to come' } as const;
  return { tone: 'positive', word: 'on' } as const;
}

export const amountsText = (amounts: Amounts): string =>
  Object.entries(amounts)
    .map(([currency, amountMinor]) => money(amountMinor, currency))
    .join(' or ');

export const offerText = ({ offer }: Pick<Promotion, 'offer'>): string =>
  offer.kind === 'percentage' ? `${percentText(offer.ratePpm)} off` : `${amountsText(offer.amounts)} off`;

/** `10` or `12.5` per cent in parts per million; undefined when it is no rate of 0 to 100 %, to four places. */
export function ratePpmOf(text: string): number | undefined {
  const [, whole = '', fraction = ''] = /^(\d{1,3})(?:[.,](\d{1,4}))?$/.exec(text.trim()) ?? [];
  const ratePpm = whole === '' ? Number.NaN : Number(whole) * 10_000 + Number(fraction.padEnd(4, '0'));
  return ratePpm <= 1_000_000 ? ratePpm : undefined;
}

export const percentOf = (ratePpm: number): string => String(ratePpm / 10_000);

/** What is sent back: everything that was read but code, count and version. */
export function inputOf({ code: _code, used: _used, version: _version, ...input }: Promotion): PromotionInput {
  return input;
}
