import { expect, test } from 'vitest';
import { escPosOf } from './escpos.ts';
import type { Row } from './receipt.ts';

const rows: readonly Row[] = [
  { kind: 'text', text: 'Pier', style: 'title' },
  { kind: 'rule' },
  { kind: 'pair', left: '2 × €119.00', right: '€238.00' },
  { kind: 'bars', digits: '0002170370326741' },
];

test('a receipt is ESC/POS: set up, text in a code page that has the euro, bar code in set C, cut', () => {
  const bytes = Buffer.from(escPosOf(rows));
  const text = bytes.toString('latin1');
  expect(text.startsWith('\x1b@')).toBe(true);
  expect(text).toContain('Pier');
  expect(text).toContain('238.00');
  expect(text).not.toContain('?119');
  // GS k 73, the length, {C and each two digits as one byte (Epson ESC/POS reference, GS k function B).
  const bars = String.fromCharCode(
    29,
    107,
    73,
    10,
    ...'{C'.split('').map((c) => c.charCodeAt(0)),
    0,
    2,
    17,
    3,
    70,
    32,
    67,
    41,
  );
  expect(text).toContain(bars);
  expect(text).toContain('\x1dV');
  expect(text).not.toContain('\x1bp');
});

test('the drawer on the printer opens when it is asked to', () => {
  expect(Buffer.from(escPosOf(rows, true)).toString('latin1')).toContain('\x1bp');
});
