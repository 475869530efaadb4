import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CatalogueItem, Tender } from '#contracts/tills';
import { cardSums, kindSum, saleTotals, sumOf } from '../../../contracts/till-journal.ts';
import { barsOf } from './bars.ts';
import {
  addDiscount,
  askCard,
  callOffCard,
  cardPaid,
  type Draft,
  emptyDraft,
  paidMinor,
  putLine,
  quantityOf,
  takeTender,
  withoutCharge,
} from './basket.ts';
import { likelyAmounts, piecesOf, takeCash } from './cash.ts';
import { readCode } from './codes.ts';
import { findItems } from './find.ts';
import { newId, numberOf, saleOf } from './ids.ts';
import { heldBackBy, passedMs } from './limits.ts';
import { saleRows } from './receipt.ts';
import { partsBack, refundOf, returnable } from './return.ts';
import { createWedge, gapMsMax } from './wedge.ts';
import { backName, tenderName } from './words.ts';

const chance = fc.uint8Array({ minLength: 16, maxLength: 16 });
const saleId = fc.tuple(fc.integer({ min: 0, max: 2 ** 48 - 1 }), chance).map(([ms, bytes]) => newId('sal', ms, bytes));

test('a sale’s id is one that the shop takes, sorts by time, and comes back from the number on the receipt', () => {
  fc.assert(
    fc.property(saleId, (id) => {
      expect(id).toMatch(/^sal_[0-9A-HJKMNP-TV-Z]{26}$/);
      expect(numberOf(id)).toMatch(/^\d{40}$/);
      expect(saleOf(numberOf(id))).toBe(id);
      expect(readCode(numberOf(id))).toEqual({ kind: 'sale', saleId: id });
    }),
  );
  const bytes = new Uint8Array(16);
  expect(newId('sal', 1_000, bytes) < newId('sal', 2_000, bytes)).toBe(true);
  expect(saleOf('9'.repeat(40))).toBeUndefined();
});

/** What a scanner reads: widths back to digits, by the standard’s own rule, with the check digit. */
function readBars(digits: string): string {
  const { bars, width } = barsOf(digits);
  const dark = new Set(bars.flatMap(([at, wide]) => Array.from({ length: wide }, (_, i) => at + i)));
  return Array.from({ length: width }, (_, at) => (dark.has(at) ? '1' : '0')).join('');
}

test('a receipt’s number is 255 modules wide, begins with start C and ends with the stop of Code 128', () => {
  fc.assert(
    fc.property(saleId, (id) => {
      const modules = readBars(numberOf(id));
      expect(modules).toHaveLength(255);
      expect(modules.startsWith('11010011100')).toBe(true);
      expect(modules.endsWith('1100011101011')).toBe(true);
      // Each symbol has eleven modules and an even number of dark ones: how a reader finds a misprint.
      for (let at = 0; at < 242; at += 11) {
        expect([...modules.slice(at, at + 11)].filter((one) => one === '1').length % 2).toBe(0);
      }
    }),
  );
});

const type = (text: string, gapMs: number, end = 'Enter'): string | undefined => {
  const wedge = createWedge();
  let atMs = 1_000;
  let code: string | undefined;
  for (const key of [...text, end]) {
    atMs += gapMs;
    code = wedge.press(key, atMs);
  }
  return code;
};

test('keys less than 100 ms apart that end with Enter or Tab are a scan; what people type is not', () => {
  expect(type('4006381333931', 5)).toBe('4006381333931');
  expect(type('4006381333931', 5, 'Tab')).toBe('4006381333931');
  expect(type('4006381333931', gapMsMax - 1)).toBe('4006381333931');
  expect(type('4006381333931', gapMsMax)).toBeUndefined();
  expect(type('abc', 5)).toBeUndefined();
});

test('a scan after slow typing is the scan alone; Shift does not break it, other keys do', () => {
  const wedge = createWedge();
  for (const [i, key] of ['r', 'o', 'p'].entries()) wedge.press(key, i * 300);
  const at = 5_000;
  for (const [i, key] of ['Shift', 'H', 'F', '-', 'Shift', 'A'].entries()) wedge.press(key, at + i * 10);
  expect(wedge.press('Enter', at + 60)).toBe('HF-A');
  for (const [i, key] of ['1', '2', '3', 'Backspace', '4'].entries()) wedge.press(key, at + 1_000 + i * 10);
  expect(wedge.press('Enter', at + 1_050)).toBeUndefined();
});

test('codes are goods by SKU and by GTIN of any length, or a receipt; what the scanner says of itself is left out', () => {
  expect(readCode(' HF-SKER-40 ')).toEqual({ kind: 'goods', sku: 'HF-SKER-40' });
  expect(readCode('4006381333931')).toMatchObject({ gtin: '04006381333931' });
  expect(readCode(']E04006381333931')).toMatchObject({ gtin: '04006381333931' });
  expect(readCode('96385074')).toMatchObject({ gtin: '00000096385074' });
  expect(readCode('4006381333932')).toEqual({ kind: 'goods', sku: '4006381333932' });
});

const money = fc.integer({ min: 0, max: 5_000_000 });

test('cash: what stays and what goes back are what was given, and the pieces of change sum to it', () => {
  fc.assert(
    fc.property(money, money, fc.constantFrom('EUR', 'USD', 'GBP', 'JPY'), (due, given, currency) => {
      const { keptMinor, changeMinor } = takeCash(due, given);
      expect(keptMinor + changeMinor).toBe(given);
      expect(keptMinor).toBe(Math.min(due, given));
      const pieces = piecesOf(changeMinor, currency);
      expect(pieces.reduce((sum, { valueMinor, count }) => sum + valueMinor * count, 0)).toBe(changeMinor);
      const likely = likelyAmounts(due, currency);
      expect(likely[0]).toBe(due);
      expect(likely.every((amount, i) => i === 0 || amount > (likely[i - 1] as number))).toBe(true);
    }),
  );
  expect(likelyAmounts(1_730, 'EUR')).toEqual([1_730, 2_000, 5_000, 10_000]);
  expect(piecesOf(270, 'EUR')).toEqual([
    { valueMinor: 200, count: 1 },
    { valueMinor: 50, count: 1 },
    { valueMinor: 20, count: 1 },
  ]);
});

test('offline, a till sells up to an amount and for a time; a clock that is set back wins it nothing', () => {
  const bounds = { amountMinorMax: 10_000, ageMsMax: 3_600_000 };
  const alone = { isOnline: false, untoldMinor: 6_000, aloneMs: 1_000 };
  expect(heldBackBy(4_000, alone, bounds)).toBeUndefined();
  expect(heldBackBy(4_001, alone, bounds)).toBe('amount');
  expect(heldBackBy(4_001, { ...alone, isOnline: true }, bounds)).toBeUndefined();
  expect(heldBackBy(1, { ...alone, aloneMs: 3_600_001 }, bounds)).toBe('age');
  expect(passedMs(5_000, 9_000, 700)).toBe(700);
  expect(passedMs(9_000, 5_000, 700)).toBe(4_000);
});

const item = (sku: string, unitPriceMinor = 1_000): CatalogueItem => ({ sku, name: `Item ${sku}`, unitPriceMinor });
const till = { currency: 'EUR', country: 'DE', name: 'Pier' };
const rules = { taxes: [{ country: 'DE', name: 'VAT', included: true, rates: { standard: 190_000 } }] };

test('a basket never has more of anything than the till', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('A', 'B', 'C'), fc.integer({ min: 0, max: 12 })), { maxLength: 40 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 10 }), (all, onHand) => {
      let draft: Draft = emptyDraft('sal_1');
      for (const [sku, quantity] of all) {
        const before = draft;
        const answer = putLine(draft, item(sku), quantity, onHand, undefined);
        if (answer.ok) draft = answer.draft;
        else expect([answer.why, before]).toEqual(['share', draft]);
        expect(quantityOf(draft, sku)).toBeLessThanOrEqual(onHand);
      }
      expect(new Set(draft.lines.map(({ sku }) => sku)).size).toBe(draft.lines.length);
    }),
  );
});

const basket = fc
  .record({
    lines: fc.uniqueArray(
      fc.record({
        sku: fc.constantFrom('A', 'B', 'C', 'D'),
        quantity: fc.integer({ min: 1, max: 20 }),
        price: fc.integer({ min: 1, max: 99_999 }),
      }),
      { selector: ({ sku }) => sku, minLength: 1 },
    ),
    ratePpm: fc.integer({ min: 0, max: 1_000_000 }),
    amountMinor: fc.integer({ min: 1, max: 50_000 }),
  })
  .map(({ lines, ratePpm, amountMinor }) => {
    let draft: Draft = emptyDraft('sal_1');
    for (const { sku, quantity, price } of lines) {
      const answer = putLine(draft, item(sku, price), quantity, 100, undefined);
      if (answer.ok) draft = answer.draft;
    }
    draft = addDiscount(draft, { name: 'Damaged', off: { kind: 'percentage', ratePpm } }) as Draft;
    return addDiscount(draft, {
      name: 'Promised',
      off: { kind: 'amount', amountMinor },
      skus: [draft.lines[0]?.sku as string],
    }) as Draft;
  });

test('whatever is brought back in whatever parts, what goes back sums to what was paid', () => {
  fc.assert(
    fc.property(
      basket,
      fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 20 })), { maxLength: 30 }),
      (draft, parts) => {
        const totals = saleTotals({ lines: [...draft.lines], discounts: [...draft.discounts] }, till, rules);
        const back: { sku: string; quantity: number }[] = [];
        let refunded = 0;
        const everything = draft.lines.map(({ sku }) => [sku, 20] as const);
        for (const [sku, wish] of [
          ...parts.map(([i, n]) => [draft.lines[i % draft.lines.length]?.sku as string, n] as const),
          ...everything,
        ]) {
          const known = returnable(totals, [], back, []);
          const quantity = Math.min(wish, known.lines.find((line) => line.sku === sku)?.left ?? 0);
          if (quantity === 0) continue;
          refunded += refundOf(known, [{ sku, quantity }]) as number;
          back.push({ sku, quantity });
        }
        expect(refunded).toBe(totals.totalMinor);
        expect(
          refundOf(returnable(totals, [], back, []), [{ sku: draft.lines[0]?.sku as string, quantity: 1 }]),
        ).toBeUndefined();
      },
    ),
  );
});

test('a discount on a line goes with the line', () => {
  const first = putLine(emptyDraft('sal_1'), item('A'), 2, 9, undefined);
  const second = first.ok ? putLine(first.draft, item('B'), 1, 9, undefined) : first;
  const draft = addDiscount((second as { draft: Draft }).draft, {
    name: 'Last one',
    off: { kind: 'percentage', ratePpm: 1 },
    skus: ['A'],
  }) as Draft;
  const answer = putLine(draft, item('A'), 0, 9, undefined);
  expect(answer).toMatchObject({ ok: true, draft: { lines: [{ sku: 'B' }], discounts: [] } });
});

const part = fc.integer({ min: 0, max: 5_000 });

test('in however many parts goods come back, no card gets more than it has paid, and the parts sum to what goes back', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), part, fc.array(part, { maxLength: 12 }), (cards, cash, wishes) => {
      const paid: Tender[] = [
        ...cards.map((amountMinor, i) => ({ kind: 'card' as const, amountMinor, card: i * 2 + 1 })),
        { kind: 'cash', amountMinor: cash },
      ];
      const totals = saleTotals({ lines: [], discounts: [] }, till, rules);
      const refunds: Tender[] = [];
      let left = sumOf(paid);
      for (const wish of [...wishes, left]) {
        const refundMinor = Math.min(wish, left);
        const parts = partsBack(returnable(totals, paid, [], refunds), refundMinor);
        expect(sumOf(parts)).toBe(refundMinor);
        refunds.push(...parts);
        left -= refundMinor;
      }
      expect([...cardSums(refunds)]).toEqual([...cardSums(paid)].filter(([, amountMinor]) => amountMinor > 0));
      expect(kindSum([{ tenders: refunds }], 'cash')).toBe(cash);
    }),
  );
});

const oneCard = fc.record({
  amountMinor: fc.integer({ min: 1, max: 5_000 }),
  ends: fc.constantFrom('paid', 'declined', 'called off', 'paid and given back'),
});

test('however cards end, each has a number of its own, and only those that have paid count', () => {
  fc.assert(
    fc.property(fc.array(oneCard, { maxLength: 20 }), (cards) => {
      let draft: Draft = takeTender(emptyDraft('sal_1'), { kind: 'cash', amountMinor: 700 });
      const numbers: (number | undefined)[] = [];
      for (const { amountMinor, ends } of cards) {
        draft = askCard(draft, amountMinor, 'pm_card_visa');
        numbers.push(draft.charge?.card);
        if (ends.startsWith('paid')) draft = cardPaid(draft);
        if (ends === 'declined') draft = withoutCharge(draft);
        if (ends === 'paid and given back' || ends === 'called off') {
          const before = paidMinor(draft);
          const called = callOffCard(draft, numbers.at(-1)) as Exclude<ReturnType<typeof callOffCard>, undefined>;
          expect(called.calledOff).toEqual({ saleId: 'sal_1', card: numbers.at(-1), amountMinor });
          draft = called.draft;
          expect(paidMinor(draft)).toBe(ends === 'called off' ? before : before - amountMinor);
        }
        expect(draft.charge).toBeUndefined();
      }
      expect(numbers).toEqual(cards.map((_, i) => i + 1));
      const paid = cards.flatMap(({ ends, amountMinor }, i) => (ends === 'paid' ? [[i + 1, amountMinor]] : []));
      expect([...cardSums(draft.tenders)]).toEqual(paid);
      expect(kindSum([draft], 'cash')).toBe(700);
    }),
  );
});

test('cards are told apart by name where there are several', () => {
  const [visa, other, cash] = [
    { kind: 'card', amountMinor: 600, card: 1 },
    { kind: 'card', amountMinor: 300, card: 3 },
    { kind: 'cash', amountMinor: 100 },
  ] as const;
  expect([visa, other, cash].map((one) => tenderName([visa, other, cash], one))).toEqual(['Card 1', 'Card 2', 'Cash']);
  expect(tenderName([cash, other], other)).toBe('Card');
  expect([visa, other, cash].map((one) => backName([visa, other, cash], one))).toEqual([
    'to card 1',
    'to card 2',
    'in cash',
  ]);
});

test('goods are found by parts of words, without accents, quick keys first', () => {
  const items = [item('B'), { ...item('A'), name: 'Crêpe-soled boot' }, item('C')];
  expect(findItems(items, 'CREPE boot', [])).toMatchObject([{ sku: 'A' }]);
  expect(findItems(items, '', ['C']).map(({ sku }) => sku)).toEqual(['C', 'A', 'B']);
  expect(findItems(items, 'item q', [])).toEqual([]);
});

test('a receipt says what was bought, taken off, taxed, paid and given back', () => {
  const draft = {
    lines: [{ sku: 'A', name: 'Rope', quantity: 2, unitPriceMinor: 1_000 }],
    discounts: [{ name: 'Damaged', off: { kind: 'percentage' as const, ratePpm: 100_000 } }],
  };
  const entry = {
    saleId: newId('sal', 1, new Uint8Array(16)),
    at: '2030-01-01T10:00:00Z',
    tenders: [{ kind: 'cash' as const, amountMinor: 1_800 }],
  };
  const rows = saleRows(
    { till, cashier: 'Ada', entry, totals: saleTotals(draft, till, rules), givenMinor: 2_000 },
    { money: (minor) => (minor / 100).toFixed(2), moment: (time) => time },
  );
  const text = rows.map((row) =>
    row.kind === 'pair' ? `${row.left.trim()} ${row.right}` : row.kind === 'text' ? row.text : row.kind,
  );
  expect(text).toEqual([
    'Pier',
    '2030-01-01T10:00:00Z · Ada',
    'rule',
    'Rope',
    '2 × 10.00 20.00',
    'rule',
    'Goods 20.00',
    'Damaged -2.00',
    'Total 18.00',
    'of it VAT 19 % 2.87',
    'rule',
    'Cash 20.00',
    'Change 2.00',
    'bars',
    'Bring this receipt to return something.',
  ]);
});
