import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEscPos } from './escpos.testing.ts';
import { escPosOf } from './escpos.ts';
import { numberOf } from './ids.ts';
import type { Row } from './receipt.ts';

const columns = 42;
const read = (rows: readonly Row[], opensDrawer = false) => readEscPos(escPosOf(rows, opensDrawer), columns);
/** What 80 mm paper prints at 180 dots an inch, the coarser of two: 72 mm. */
const dotsMax = 512;

const letters = [...'ABCxyz 0159 äöüßéèñçø ÅÆ × · – € £ łżÿ ЖЯя Ωλ'];
const name = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 120 });
const amount = fc.tuple(
  fc.constantFrom('€', '£', 'US$', '-€', '-CHF\u00a0'),
  fc.integer({ min: 0, max: 99_999_999_99 }),
);

test('a receipt is what a printer prints: read back by the reference of its commands', () => {
  const paper = read([
    { kind: 'text', text: 'Pier', style: 'title' },
    { kind: 'rule' },
    { kind: 'text', text: 'Dún Laoghaire – żółw' },
    { kind: 'pair', left: '  2 × €119.00', right: '€238.00' },
    { kind: 'pair', left: 'Total', right: '€238.00', isStrong: true },
    { kind: 'bars', digits: '0002170370326741' },
  ]);
  const printed = paper.lines.map(({ text }) => text.trimEnd()).filter((text) => text !== '');
  expect(printed).toEqual([
    `${' '.repeat(19)}Pier`,
    '─'.repeat(columns),
    'Dún Laoghaire – żółw',
    '  2 × €119.00                      €238.00',
    'Total                              €238.00',
    `${' '.repeat(11)}00021 70370 32674 1`,
  ]);
  expect(paper.lines.filter(({ isBold }) => isBold).map(({ text }) => text.trim().split(' ')[0])).toEqual([
    'Pier',
    'Total',
  ]);
  expect(paper).toMatchObject({ bars: [{ digits: '0002170370326741' }], isCut: true, opensDrawer: false });
});

test('whatever is sold for whatever it costs, no letter is lost and the amount stands at the end of its line', () => {
  fc.assert(
    fc.property(name, amount, (what, [sign, minor]) => {
      const right = `${sign}${(minor / 100).toFixed(2)}`;
      const { lines } = read([
        { kind: 'text', text: what },
        { kind: 'pair', left: '  1 × something', right },
      ]);
      const words = (text: string) => text.replaceAll(/\s/g, '');
      const all = lines.map(({ text }) => text);
      expect(words(all.join(''))).toBe(words(`${what}1×something${right}`));
      expect(all.some((text) => text.length === columns && text.endsWith(right.replace('\u00a0', ' ')))).toBe(true);
    }),
  );
});

test('the bar code of every sale is the number of the sale, and fits on the paper', () => {
  const id = fc.string({ unit: fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'), minLength: 26, maxLength: 26 });
  fc.assert(
    fc.property(id, (chars) => {
      const digits = numberOf(`sal_${chars}`);
      const [bars] = read([{ kind: 'bars', digits }]).bars;
      expect(bars?.digits).toBe(digits);
      expect(bars?.widthDots).toBeLessThanOrEqual(dotsMax);
    }),
  );
});

test('amounts in the digits of Arabic are printed in those that every printer has', () => {
  const { lines } = read([{ kind: 'pair', left: 'Total', right: '١٬٢٣٤٫٥٦ EUR' }]);
  expect(lines[0]?.text).toMatch(/ 1,234\.56 EUR$/);
});

test('currencies whose signs no printer has are told by their codes', () => {
  const printed = (right: string) => read([{ kind: 'pair', left: '', right }]).lines[0]?.text.trim();
  expect(printed('₹1,48,14,814.68')).toBe('INR 1,48,14,814.68');
  expect(printed('-₩500')).toBe('-KRW 500');
  expect(printed('12,50\u00a0₽')).toBe('12,50 RUB');
  expect(printed('￥500')).toBe('¥500');
  expect(printed('€1.00')).toBe('€1.00');
});

test('the drawer on the printer opens when it is asked to', () => {
  expect(read([{ kind: 'rule' }], true).opensDrawer).toBe(true);
  expect(read([{ kind: 'rule' }]).opensDrawer).toBe(false);
});

test('the reader takes nothing that a printer would not', () => {
  const bytes = (...parts: (string | number)[]) =>
    Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...Buffer.from(part, 'latin1')])));
  expect(() => readEscPos(bytes(0x1b, 'Z'), columns)).toThrow('unknown command');
  expect(() => readEscPos(bytes('x'.repeat(43), 10), columns)).toThrow('43 letters in a line of 42');
  expect(() => readEscPos(bytes(0x1d, 'k', 73, 3, '{B', 1), columns)).toThrow('begins with its set');
  expect(() => readEscPos(bytes(0x1d, 'k', 73, 40, '{C'), columns)).toThrow('end within a command');
});
