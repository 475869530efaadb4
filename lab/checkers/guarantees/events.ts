import { defineCheck } from '../check.ts';
import { groupBy } from '../group.ts';
import type { Evidence } from '../history/evidence.ts';
import type { Row } from '../history/sections.ts';

const eventsOfState: Readonly<Record<string, readonly string[]>> = {
  confirmed: ['order.received', 'order.confirmed'],
  fulfilled: ['order.received', 'order.confirmed', 'order.fulfilled'],
  completed: ['order.received', 'order.confirmed', 'order.completed'],
  returned: ['order.received', 'order.confirmed', 'order.returned'],
  cancelled: ['order.received', 'order.confirmed', 'order.cancelled'],
  refused: ['order.received', 'order.refused'],
};
/** What happens to an order once at most. */
const onceOnly = new Set(['order.received', 'order.confirmed', 'order.refused', 'order.cancelled', 'order.completed']);

/** What happened was published, once and in order; nothing was published that did not happen. */
export const eventsMatchOrders = defineCheck({
  name: 'each change is published exactly once',
  needs: ['log', 'orders'],
  size: ({ log, outbox = [] }) => log.length + outbox.length,
  *find({ log, orders, outbox = [] }) {
    const events = [...log.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset), ...outbox];
    const ids = new Set<string>();
    for (const { eventId } of events) {
      if (ids.has(eventId)) yield `${eventId} was published twice`;
      ids.add(eventId);
    }
    const published = groupBy(events, ({ orderId }) => orderId);
    const known = new Set(orders.map(({ id }) => id));
    for (const orderId of published.keys()) {
      if (!known.has(orderId)) yield `events of ${orderId}, which does not exist`;
    }
    for (const order of orders) yield* storyFits(order, published.get(order.id) ?? []);
  },
});

function* storyFits({ id, state }: Row<'orders'>, events: readonly Row<'outbox'>[]): Iterable<string> {
  const types = events.map(({ type }) => type);
  const known = new Set(types);
  for (const type of eventsOfState[state] ?? []) if (!known.has(type)) yield `${id} is ${state}, ${type} is missing`;
  if (state === 'refused' && known.has('order.confirmed')) yield `${id} is refused and was published as confirmed`;
  if (state !== 'refused' && known.has('order.refused')) yield `${id} is ${state} and was published as refused`;
  for (const type of onceOnly) {
    if (new Set(events.filter((event) => event.type === type).map(({ eventId }) => eventId)).size > 1)
      yield `${id}: ${type} was published more than once`;
  }
  if (known.has('order.received') && types[0] !== 'order.received') {
    yield `${id}: ${types[0]} was published before order.received`;
  }
}

/** Each event once per consumer, in order per key, and none lost on the way. */
export const eventsAppliedOnce = defineCheck({
  name: 'each event is applied once, in order per key',
  needs: ['log', 'applied'],
  size: ({ applied }) => applied.length,
  *find({ log, applied, deadLetters = [] }) {
    const byConsumer = groupBy(applied, ({ consumer = '' }) => consumer);
    if (byConsumer.size === 0) byConsumer.set('', []);
    for (const [consumer, rows] of byConsumer) {
      const dead = new Set(
        deadLetters.filter((letter) => (letter.consumer ?? consumer) === consumer).map(({ eventId }) => eventId),
      );
      const wanted = log.filter(({ eventId }) => !dead.has(eventId));
      const who = consumer === '' ? '' : `${consumer}: `;
      for (const difference of sameOrder(wanted, rows)) yield who + difference;
    }
  },
});

type Applied = Pick<Row<'applied'>, 'eventId' | 'orderId'>;

function* sameOrder(log: readonly Row<'log'>[], applied: readonly Applied[]): Iterable<string> {
  const inOrder = log.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
  const wanted = groupBy<Applied>(inOrder, ({ orderId }) => orderId);
  const got = groupBy<Applied>(applied, ({ orderId }) => orderId);
  for (const orderId of new Set([...wanted.keys(), ...got.keys()])) {
    const text = (events: readonly Applied[] = []) => events.map(({ eventId }) => eventId).join(' ') || 'nothing';
    const [inLog, done] = [text(wanted.get(orderId)), text(got.get(orderId))];
    if (inLog !== done) yield `${orderId}: the log has ${inLog}, applied was ${done}`;
  }
}

/** Nothing waits in an outbox once all is quiet. */
export const eventsAreRelayed = defineCheck({
  name: 'every event is relayed',
  needs: ['outbox'],
  size: ({ outbox, log = [] }) => outbox.length + log.length,
  *find({ outbox }: Evidence & { outbox: readonly Row<'outbox'>[] }) {
    if (outbox.length > 0) yield `${outbox.length} events were never relayed, the first ${outbox[0]?.eventId}`;
  },
});
