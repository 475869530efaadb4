import type { OrderEvent, OrderLine } from '#contracts/orders';
import { formatMoney, htmlOf, lineText } from './text.ts';

export interface Letter {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface Shop {
  readonly name: string;
}

/** A paragraph, or rows of name and amount. */
export type Block = string | readonly (readonly [string, string])[];

export interface Draft {
  readonly subject: string;
  readonly blocks: readonly Block[];
}

/** What is written about which event. A template never sees HTML: text and HTML are made from the same blocks. */
const templates: Readonly<Record<string, (order: OrderEvent, shop: Shop) => Draft>> = {
  'order.confirmed': (order, shop) => ({
    subject: `Your order ${order.orderId} is confirmed`,
    blocks: [
      `Thank you for your order at ${shop.name}.`,
      [...order.lines.map((line) => lineRow(order, line)), ['Total', money(order, order.totalMinor)]],
      'We will tell you when anything changes.',
    ],
  }),
  'order.fulfilled': (order) => ({
    subject: `Your order ${order.orderId} is on its way`,
    blocks: [
      order.state === 'confirmed' ? 'A part of your order has been sent:' : 'Your order has been sent:',
      (order.shipment?.lines ?? []).map(({ sku, quantity }) => [`${quantity} × ${nameOf(order, sku)}`, ''] as const),
      ...carrierBlocks(order),
      ...(order.state === 'confirmed' ? ['The rest follows.'] : []),
    ],
  }),
  'order.refused': (order, shop) => ({
    subject: `Your order ${order.orderId} could not be accepted`,
    blocks: [
      `We are sorry: ${shop.name} could not accept your order.`,
      ...(order.reason ? [`The reason: ${order.reason.detail}`] : []),
      'You have not been charged. An amount that was reserved on your account is released.',
    ],
  }),
  'order.cancelled': (order) => ({
    subject: `Your order ${order.orderId} is cancelled`,
    blocks: ['Your order is cancelled.', ...refundBlocks(order)],
  }),
  'order.returned': (order) => ({
    subject: `Your return for order ${order.orderId}`,
    blocks: [
      'We have received what you sent back:',
      (order.returned ?? []).map(({ sku, quantity }) => [`${quantity} × ${nameOf(order, sku)}`, ''] as const),
      ...refundBlocks(order),
    ],
  }),
  'order.refunded': (order) => ({
    subject: `A refund for order ${order.orderId}`,
    blocks: refundBlocks(order),
  }),
};

export const orderLetters: readonly string[] = Object.keys(templates);

/** The letter about an event; undefined when nobody needs one. */
export function writeLetter(type: string, order: OrderEvent, shop: Shop): Letter | undefined {
  const draft = templates[type]?.(order, shop);
  return draft && composeLetter({ ...draft, blocks: [...draft.blocks, `Order ${order.orderId}`] });
}

export function composeLetter({ subject, blocks }: Draft): Letter {
  const title = lineText(subject);
  return { subject: title, text: textOf(blocks), html: htmlOf(title, blocks) };
}

function lineRow(order: OrderEvent, line: OrderLine): readonly [string, string] {
  const name = line.kind === 'goods' ? `${line.quantity} × ${line.name}` : line.name;
  return [name, money(order, line.totalMinor)];
}

function refundBlocks(order: OrderEvent): readonly string[] {
  if (!order.refundMinor) return [];
  return [`We have given back ${money(order, order.refundMinor)}. It can take some days until you see it.`];
}

function carrierBlocks({ shipment }: OrderEvent): readonly string[] {
  const { carrier, reference } = shipment ?? {};
  if (!carrier && !reference) return [];
  return [`Carried by ${carrier ?? 'the carrier of the shop'}${reference ? `, under ${reference}` : ''}.`];
}

function nameOf(order: OrderEvent, sku: string): string {
  return order.lines.find((line) => line.sku === sku)?.name ?? sku;
}

function money(order: OrderEvent, amountMinor: number): string {
  return formatMoney(amountMinor, order.currency);
}

function textOf(blocks: readonly Block[]): string {
  const paragraphs = blocks.map((block) =>
    typeof block === 'string'
      ? lineText(block)
      : block.map(([name, amount]) => `  ${[lineText(name), amount].filter(Boolean).join('   ')}`).join('\n'),
  );
  return `${paragraphs.join('\n\n')}\n`;
}
