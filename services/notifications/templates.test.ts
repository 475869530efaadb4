import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OrderEvent } from '#contracts/orders';
import { orderLetters, writeLetter } from './templates.ts';
import { escapeHtml, formatMoney, lineText } from './text.ts';

const order: OrderEvent = {
  orderId: 'ord_01J0000000000000000000000A',
  businessKey: 'k',
  state: 'confirmed',
  customer: { email: 'a@example.org' },
  channel: 'web',
  placedAt: '2030-01-01T00:00:00Z',
  currency: 'GBP',
  totalMinor: 1_500,
  refundMinor: 500,
  reason: { code: 'inventory/out-of-stock', detail: 'MUG: 1 wanted, 0 there' },
  returned: [{ sku: 'MUG', quantity: 1 }],
  lines: [
    { kind: 'goods', sku: 'MUG', name: 'A <b>mug</b>', quantity: 2, unitPriceMinor: 500, totalMinor: 1_000 },
    { kind: 'shipping', name: 'Postage & packing', quantity: 1, unitPriceMinor: 500, totalMinor: 500 },
  ],
};
const shop = { name: "Nan's" };

test('a confirmation says what was bought and what it costs', () => {
  expect(writeLetter('order.confirmed', order, shop)?.text).toMatchInlineSnapshot(`
    "Thank you for your order at Nan's.

      2 × A <b>mug</b>   £10.00
      Postage & packing   £5.00
      Total   £15.00

    We will tell you when anything changes.

    Order ord_01J0000000000000000000000A
    "
  `);
});

test('the HTML says the same, escaped', () => {
  expect(writeLetter('order.confirmed', order, shop)?.html).toMatchInlineSnapshot(`
    "<!doctype html>
    <html lang="en"><head><meta charset="utf-8"><title>Your order ord_01J0000000000000000000000A is confirmed</title></head>
    <body style="font-family: sans-serif; line-height: 1.5">
    <p>Thank you for your order at Nan&#39;s.</p>
    <table role="presentation"><tr><td style="padding-right: 2em">2 × A &lt;b&gt;mug&lt;/b&gt;</td><td style="text-align: right">£10.00</td></tr><tr><td style="padding-right: 2em">Postage &amp; packing</td><td style="text-align: right">£5.00</td></tr><tr><td style="padding-right: 2em">Total</td><td style="text-align: right">£15.00</td></tr></table>
    <p>We will tell you when anything changes.</p>
    <p>Order ord_01J0000000000000000000000A</p>
    </body></html>
    "
  `);
});

test('each event that customers care about has a letter, others have none', () => {
  const texts = orderLetters.map((name) => writeLetter(name, order, shop)?.text ?? '');
  expect(orderLetters).toEqual([
    'order.confirmed',
    'order.fulfilled',
    'order.refused',
    'order.cancelled',
    'order.returned',
    'order.refunded',
  ]);
  expect(texts[2]).toContain('MUG: 1 wanted, 0 there');
  expect(texts[3]).toContain('£5.00');
  expect(texts[4]).toContain('1 × A <b>mug</b>');
  expect(texts[5]).toContain('£5.00');
  expect(writeLetter('order.received', order, shop)).toBeUndefined();
});

test('what was sent is told with its carrier, and whether more follows', () => {
  const occurredAt = '2030-01-02T00:00:00Z';
  const shipment = { shipmentId: 'shp_1', key: 'k', lines: [{ sku: 'MUG', quantity: 1 }], occurredAt };
  const part = { ...order, shipment: { ...shipment, carrier: 'Post', reference: 'RR 123' } };
  expect(writeLetter('order.fulfilled', part, shop)?.text).toMatchInlineSnapshot(`
    "A part of your order has been sent:

      1 × A <b>mug</b>

    Carried by Post, under RR 123.

    The rest follows.

    Order ord_01J0000000000000000000000A
    "
  `);
  const whole = writeLetter('order.fulfilled', { ...order, state: 'fulfilled', shipment }, shop)?.text;
  expect(whole).toContain('Your order has been sent:');
  expect(whole).not.toContain('Carried by');
  expect(whole).not.toContain('The rest follows');
});

test('whatever names hold, they forge no lines in the text and no markup in the HTML', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const lines = [
        { kind: 'goods', sku: 'X', name: `${name}\r\n<script>\u2028`, quantity: 1, unitPriceMinor: 1, totalMinor: 1 },
      ] as const;
      const plain = writeLetter('order.confirmed', order, shop);
      const letter = writeLetter('order.confirmed', { ...order, lines }, shop);
      expect(letter?.text.split('\n').length).toBe((plain?.text.split('\n').length as number) - 1);
      expect(letter?.html.match(/<[a-z!/]+/g)?.length).toBeLessThanOrEqual(
        plain?.html.match(/<[a-z!/]+/g)?.length as number,
      );
      expect(letter?.html).not.toContain('<script');
    }),
  );
  expect(lineText('a\u0000\r\n\u202eb')).toBe('a b');
  expect(escapeHtml(`<a href="x">'&`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;');
});

test('amounts are exact in every currency', () => {
  expect(formatMoney(123_456, 'GBP')).toBe('£1,234.56');
  expect(formatMoney(5, 'EUR')).toBe('€0.05');
  expect(formatMoney(-5, 'EUR')).toBe('-€0.05');
  expect(formatMoney(12_345, 'JPY')).toBe('¥12,345');
  expect(formatMoney(12_345, 'KWD').replace(/\s/, ' ')).toBe('KWD 12.345');
  expect(formatMoney(999_999_999_999, 'USD')).toBe('$9,999,999,999.99');
});
