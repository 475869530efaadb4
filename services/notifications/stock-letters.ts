import type { StockLowEvent } from '#contracts/inventory';
import { composeLetter, type Letter, type Shop } from './templates.ts';

export const stockLetters: readonly string[] = ['stock.low'];

/** To whoever watches over the stock of a SKU. */
export function writeStockLetter({ sku, onHand, lowAt }: StockLowEvent, shop: Shop): Letter {
  const left = onHand === 0 ? `${sku} has sold out` : `${onHand} of ${sku} left`;
  return composeLetter({
    subject: left,
    blocks: [
      `At ${shop.name} there are ${onHand} units of ${sku} on hand; you wanted to hear of ${lowAt} or fewer.`,
      'You hear of it again when there has been more in between.',
    ],
  });
}
