/** What is read ahead of whoever takes it. To be closed, whether or not it was taken to the end. */
export interface ReadAhead<T> extends AsyncIterable<T> {
  /** Stops reading; what was read and not taken is dropped. */
  close(): Promise<void>;
}

export interface ReadAheadOptions<T> {
  readonly weightOf: (item: T) => number;
  /** Reading rests while what was read and not taken weighs this much. */
  readonly weightMax: number;
}

/**
 * Begins to read at once, and goes on while the taker waits for something else: a shop that is busy with receipts leaves the
 * reader time, which it would want back from the shop during the orders. Errors are thrown where the taker meets them.
 */
export function readAhead<T>(source: AsyncIterable<T>, { weightOf, weightMax }: ReadAheadOptions<T>): ReadAhead<T> {
  let items: T[] = [];
  let weight = 0;
  let end: { readonly error?: unknown } | undefined;
  let closed = false;
  /** Of whoever waits, reader or taker: both never do. */
  let wake: () => void = () => {};
  const change = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });

  async function read(): Promise<void> {
    try {
      for await (const item of source) {
        items.push(item);
        weight += weightOf(item);
        wake();
        while (weight >= weightMax && !closed) await change();
        if (closed) return;
      }
      end = {};
    } catch (error) {
      end = { error };
    }
    wake();
  }

  const reading = read();
  return {
    async close() {
      closed = true;
      wake();
      await reading;
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const taken = items;
        items = [];
        for (const item of taken) {
          yield item;
          weight -= weightOf(item);
          wake();
        }
        if (items.length > 0) continue;
        if (end && 'error' in end) throw end.error;
        if (end || closed) return;
        await change();
      }
    },
  };
}
