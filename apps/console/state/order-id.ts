/** Whether a text, as of a reference or a search, is the id of an order (`OrderId` in contracts/inventory.ts). */
export const isOrderId = (text: string): boolean => /^ord_[0-9A-Z]{26}$/.test(text);
