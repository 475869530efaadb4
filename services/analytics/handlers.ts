import { type analytics, analyticsProblems } from '#contracts/analytics';
import { pageFrom, pageSizeDefault, positionOf, timeAt } from '#contracts/common';
import { type Handlers, invalidInput } from '#kit/contract';
import { PositionOutOfLog, type Subscription } from '#kit/messaging';
import { deadLetterHandlers, lagHandlers } from '#kit/messaging/operations';
import type { Clock, Database } from '#kit/runtime';
import { until } from '#kit/store';
import { readProducts, readSales, type SalesPart } from './store.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Longest range, so that an answer has a bounded number of rows. */
const rangeMsMax: Readonly<Record<SalesPart, number>> = {
  hour: 31 * dayMs,
  day: 5 * 366 * dayMs,
  month: 50 * 366 * dayMs,
  country: 50 * 366 * dayMs,
  channel: 50 * 366 * dayMs,
};
const rowsMax = 20_000;
const rangeMsDefault = 30 * dayMs;

export function createHandlers(options: {
  readonly database: Database;
  readonly subscription: Subscription;
  readonly clock: Clock;
}): Handlers<typeof analytics> {
  const { database, subscription, clock } = options;

  async function lagEvents(): Promise<number> {
    return (await subscription.lag()).reduce((sum, one) => sum + one.events, 0);
  }

  /** Whole hours or days, so that a figure is never half inside. */
  function rangeOf(
    query: { from?: string; to?: string },
    partMs: number,
  ): { from: string; to: string; lengthMs: number } {
    const toMs = query.to === undefined ? clock.now() : timeAt('query:to', query.to);
    const fromMs = query.from === undefined ? toMs - rangeMsDefault : timeAt('query:from', query.from);
    if (fromMs > toMs) throw invalidInput([{ pointer: 'query:from', detail: 'must not be after to' }]);
    const from = Math.floor(fromMs / partMs) * partMs;
    const to = Math.ceil(toMs / partMs) * partMs;
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), lengthMs: to - from };
  }

  return {
    async sales({ query }, { signal }) {
      const { from, to, lengthMs } = rangeOf(query, hourMs);
      if (lengthMs > rangeMsMax[query.by] + dayMs) {
        throw analyticsProblems['range-too-long']({ detail: `${from} to ${to} by ${query.by}` });
      }
      const { currency, country, channel } = query;
      // The lag first: figures read after it are at least as complete as it says.
      const lag = await lagEvents();
      const items = await readSales(
        until(signal, database),
        query.by,
        { from, to, currency, country, channel },
        rowsMax,
      );
      return { status: 200, body: { from, to, items: [...items], lagEvents: lag } };
    },
    async products({ query }, { signal }) {
      const { currency, cursor, limit = pageSizeDefault } = query;
      const { from, to } = rangeOf(query, dayMs);
      const lag = await lagEvents();
      const after = positionOf(cursor, 'number', 'text');
      const rows = await readProducts(until(signal, database), { currency, from, to }, after, limit + 1);
      const page = pageFrom(rows, limit, (row) => [row.grossMinor, row.sku]);
      return { status: 200, body: { from, to, ...page, lagEvents: lag } };
    },
    async status() {
      const [lag, { total }] = await Promise.all([lagEvents(), subscription.deadLetters.tally()]);
      return { status: 200, body: { lagEvents: lag, deadLetters: total } };
    },
    async rebuild() {
      try {
        await subscription.rebuild();
      } catch (error) {
        if (!(error instanceof PositionOutOfLog)) throw error;
        throw analyticsProblems['history-incomplete']({ detail: error.message, cause: error });
      }
      return { status: 202, body: { lagEvents: await lagEvents() } };
    },
    ...deadLetterHandlers('analytics', subscription.deadLetters),
    ...lagHandlers(subscription),
  };
}
