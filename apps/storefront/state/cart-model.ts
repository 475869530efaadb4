import type { Cart, CartEdit } from '#contracts/carts';

/** Edits that the server has not confirmed yet, in order. One batch is sent at a time, again and again under its key. */
export interface Batch {
  readonly key: string;
  readonly edits: readonly CartEdit[];
  /** It may have reached the server, so it stays exactly as it is. */
  readonly isSent: boolean;
}

/** What is known of a SKU before the server has been asked: what stood beside the button. */
export interface KnownItem {
  readonly name: string;
  readonly slug: string;
  readonly productName: string;
  readonly currency: string;
  readonly unitPriceMinor: number;
}

export interface ShownLine {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPriceMinor: number | undefined;
}

export const quantityMax = 999;
/** Batches that wait for a connection. Edits beyond go into the last. */
const editsMax = 200;

/** Adds an edit to what waits: what has not been sent yet takes it up, so that ten clicks are one call. */
export function enqueue(batches: readonly Batch[], edit: CartEdit, newKey: () => string): readonly Batch[] {
  const last = batches.at(-1);
  if (!last || last.isSent || last.edits.length >= editsMax) {
    return [...batches, { key: newKey(), edits: [edit], isSent: false }];
  }
  return [...batches.slice(0, -1), { ...last, edits: joinEdit(last.edits, edit) }];
}

/** Of one SKU only the sum counts: an `add` adds to what is before it, `set` and `remove` replace it. */
function joinEdit(edits: readonly CartEdit[], edit: CartEdit): readonly CartEdit[] {
  const before = edits.find(({ sku }) => sku === edit.sku);
  const others = edits.filter(({ sku }) => sku !== edit.sku);
  if (edit.kind !== 'add' || !before) return [...others, edit];
  if (before.kind === 'remove') return [...others, { kind: 'set', sku: edit.sku, quantity: edit.quantity }];
  return [...others, { ...before, quantity: Math.min(quantityMax, before.quantity + edit.quantity) }];
}

/** The lines as the shopper has just made them, whatever the server knows so far. */
export function shownLines(
  cart: Cart | undefined,
  batches: readonly Batch[],
  known: Readonly<Record<string, KnownItem>>,
): readonly ShownLine[] {
  const quantities = new Map(cart?.lines.map(({ sku, quantity }) => [sku, quantity]));
  for (const edit of batches.flatMap(({ edits }) => edits)) {
    if (edit.kind === 'remove') quantities.delete(edit.sku);
    else quantities.set(edit.sku, (edit.kind === 'add' ? (quantities.get(edit.sku) ?? 0) : 0) + edit.quantity);
  }
  const priced = new Map(cart?.lines.map((line) => [line.sku, line]));
  return [...quantities].map(([sku, quantity]) => {
    const line = priced.get(sku);
    const item = known[sku];
    const knownPrice = item && (!cart || item.currency === cart.currency) ? item.unitPriceMinor : undefined;
    return {
      sku,
      name: line?.name ?? item?.name ?? sku,
      quantity,
      unitPriceMinor: line?.unitPriceMinor ?? knownPrice,
    };
  });
}

/** A new cart in place of one that is gone gets what the old one had, and what was still waiting. */
export function movedInto(lines: readonly ShownLine[], newKey: () => string): readonly Batch[] {
  const edits = lines.map(({ sku, quantity }): CartEdit => ({ kind: 'add', sku, quantity }));
  return edits.length === 0 ? [] : [{ key: newKey(), edits, isSent: false }];
}
