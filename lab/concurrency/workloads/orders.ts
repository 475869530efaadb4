import { createMemoryJournal, createSandbox, moneyByOrder, type Sandbox } from '#services/payments/sandbox';
import type { Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';
import { callAs } from './call.ts';
import { openShop, type Shop, unitPriceMinor } from './shop.ts';

/**
 * Shoppers place orders at several instances, the same ones twice over, and then several people refund or cancel them
 * at once. Orders, inventory, payments and the provider's sandbox are the real ones.
 */
export const orders: Workload = {
  name: 'orders',
  summary: 'orders: the same orders placed, refunded and cancelled at several instances, sagas that change hands',
  tables: [
    ...['customer_order', 'saga', 'saga_owner', 'idempotency_key', 'outbox', 'lab_effect'],
    ...['stock', 'hold', 'movement', 'stock_return', 'stock_change', 'payment', 'refund'],
  ],
  async round(round) {
    const skus = Array.from({ length: round.between(1, 2) }, (_, i) => `sku-${i}`);
    await round.plain.query(receiveSql, [skus, round.between(1, 12)]);
    const sandbox = await createSandbox({ ...round.process('provider').world, journal: createMemoryJournal() });
    const shops: Shop[] = [];
    for (let i = crowd(round, 4); i > 0; i--) shops.push(await openShop(round, `shop-${i}`, sandbox));
    const wishes = Array.from({ length: round.between(2, 6) }, (_, i) => drawWish(round, `key-${i}`, skus));
    const told: Told = { orders: new Map(), changes: new Map() };
    let shopping = 0;
    const shoppers = [...wishes, ...wishes.slice(0, wishes.length / 2)].map((wish, i) => {
      const { world } = round.process(`shopper ${i}`);
      const { client } = round.pick(shops);
      // Each at a till of its own: what comes to one instance goes through one batch after the other.
      const regrets = Array.from({ length: round.pick([0, 1, 2, 3]) }, (_, k) => ({
        ...drawRegret(round, wish, `${i}-${k}`),
        at: round.pick(shops).client,
      }));
      const sleep = (ms: number) => world.timers.sleep(ms);
      shopping += 1;
      return async () => {
        try {
          const order = await buy(client, wish, told, sleep);
          const changes = order.state === 'confirmed' ? regrets : [];
          await Promise.all(changes.map(({ at, ...regret }) => change(at, order.id, regret, told, sleep)));
        } finally {
          shopping -= 1;
        }
      };
    });
    const { timers } = round.process('closing time').world;
    const components = shops.flatMap((shop) => shop.components);
    const close = async () => {
      // What has not ended by then is left as it stands, for the checks to see.
      for (let polls = 0; polls < pollsMax && (shopping > 0 || (await isBusy(round))); polls++) {
        await timers.sleep(pauseMs);
      }
      for (const component of components.toReversed()) await component.drain?.();
      for (const component of components.toReversed()) await component.stop?.();
    };
    await round.run([...components.map((component) => async () => component.start?.()), ...shoppers, close]);
    await checkOrders(round, sandbox, told);
    await checkUnits(round);
  },
};

const triesMax = 200;
const pauseMs = 100;
const pollsMax = 400;

const receiveSql = `
  insert into stock (holder, sku, received, on_hand) select 'main', sku, $2, $2 from unnest($1::text[]) as sku`;

interface Wish {
  readonly key: string;
  readonly sku: string;
  readonly quantity: number;
  readonly method: string;
}

/** Money back, or all of it. */
interface Regret {
  readonly key: string;
  readonly amountMinor: number | 'cancel';
}

interface Told {
  readonly orders: Map<string, Set<string>>;
  /** What was done by key: the order that it was done to. */
  readonly changes: Map<string, string>;
}

type Sleep = (ms: number) => Promise<void>;
type Client = Shop['client'];

function drawWish(round: Round, key: string, skus: readonly string[]): Wish {
  const method = round.chance(0.2) ? 'pm_card_chargeDeclined' : 'pm_card_visa';
  return { key, sku: round.pick(skus), quantity: round.between(1, 3), method };
}

function drawRegret(round: Round, wish: Wish, name: string): Regret {
  const totalMinor = wish.quantity * unitPriceMinor;
  const amountMinor = round.chance(0.15) ? 'cancel' : round.between(1, totalMinor / 2);
  return { key: `regret-${name}`, amountMinor };
}

/** Asks with the same key until it is told how the order ended, as a good client does. */
async function buy(client: Client, wish: Wish, told: Told, sleep: Sleep): Promise<{ id: string; state: string }> {
  const { key, sku, quantity, method } = wish;
  const body = { email: 'lab@example.com', currency: 'EUR', lines: [{ sku, quantity }], payment: { method } };
  const place = () => client.place({ body, key }, callAs({ kind: 'anonymous', id: 'anonymous' }));
  const { id, state } = await untilDecided(key, sleep, place);
  told.orders.set(key, (told.orders.get(key) ?? new Set()).add(`${id} ${state}`));
  return { id, state };
}

async function change(client: Client, orderId: string, regret: Regret, told: Told, sleep: Sleep): Promise<void> {
  const { key, amountMinor } = regret;
  const params = { orderId };
  const ask = () => {
    const context = callAs({ kind: 'staff', id: 'usr_lab' });
    if (amountMinor === 'cancel') return client.cancel({ params, key, body: {} }, context);
    return client.refund({ params, key, body: { amountMinor } }, context);
  };
  try {
    await untilDecided(key, sleep, ask);
    told.changes.set(key, orderId);
  } catch (error) {
    // Somebody else has the money, or is at it.
    if ((error as { code?: string }).code !== 'orders/not-possible') throw error;
  }
}

async function untilDecided(
  key: string,
  sleep: Sleep,
  ask: () => Promise<{ readonly status: number; readonly body: unknown }>,
): Promise<{ id: string; state: string }> {
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await ask().catch((error) => {
      // Too long under way, or somebody else is at it: the same key is sent again.
      if (error?.retry === 'never') throw error;
      return undefined;
    });
    if (answer && answer.status !== 202) return answer.body as { id: string; state: string };
    await sleep(pauseMs);
  }
  throw new Error(`${key} was not decided within ${triesMax} tries`);
}

async function isBusy({ plain }: Round): Promise<boolean> {
  const { rows } = await plain.query<{ n: number }>(
    `select count(*)::int as n from saga where status in ('running', 'compensating')`,
  );
  return rows[0]?.n !== 0;
}

interface OrderRow {
  readonly id: string;
  readonly key: string;
  readonly state: string;
  readonly total: number;
  readonly refunded: number;
  /** Keys of what was done to it, as it remembers. */
  readonly changes: readonly string[];
  readonly refunds: number;
  readonly hold: string | null;
  readonly sagas: string;
  readonly events: readonly string[];
}

const ordersSql = `
  select o.id, business_key as key, state, total_minor as total, refunded_minor as refunded, h.status as hold,
    (select array_agg(r ->> 'key') from jsonb_array_elements(refunds || coalesce(cancellation, '[]')) r) as changes,
    (select coalesce(sum((r ->> 'amountMinor')::int), 0)::int from jsonb_array_elements(refunds) r) as refunds,
    (select string_agg(s.status, ' ') from saga s where s.id = o.id or s.input ->> 'orderId' = o.id) as sagas,
    (select array_agg(envelope ->> 'type' order by outbox.id) from outbox where outbox.key = o.id) as events
  from customer_order o left join hold h on h.order_id = o.id`;

const holdOf: Readonly<Record<string, string>> = { confirmed: 'sold', cancelled: 'released' };

async function checkOrders(round: Round, sandbox: Sandbox, told: Told): Promise<void> {
  const { rows } = await round.plain.query<OrderRow>(ordersSql);
  const money = moneyByOrder(sandbox.ledger.entries());
  for (const order of rows) {
    const { id, key, state, total, refunded, hold, events, refunds } = order;
    const seen = JSON.stringify(order);
    const changes = order.changes ?? [];
    const isRefused = state === 'refused';
    const isCancelled = state === 'cancelled';
    if (rows.filter((other) => other.key === key).length > 1) round.violate('one order per key', key);
    if ((!isRefused && !(state in holdOf)) || /running|compensating|stuck/.test(order.sagas))
      round.violate('every order ends', seen);
    if (isRefused ? hold === 'sold' || hold === 'held' : hold !== holdOf[state]) {
      round.violate('what is confirmed is sold', seen);
    }
    const { netMinor = 0, heldMinor = 0, charged = new Set() } = money.get(id) ?? {};
    if (netMinor !== (isRefused ? 0 : total - refunded) || heldMinor !== 0 || charged.size > 1) {
      round.violate('the provider has what the order says', `${netMinor} kept, ${heldMinor} held: ${seen}`);
    }
    if (refunded !== (isCancelled ? total : refunds)) round.violate('no refund is lost or counted twice', seen);
    const done = [...told.changes].filter(([, orderId]) => orderId === id).map(([change]) => change);
    if (done.some((change) => !changes.includes(change))) {
      round.violate('what was told is there', `${done.join(' and ')} were told done: ${seen}`);
    }
    checkEvents(round, order, changes.length);
    const answers = told.orders.get(key) ?? new Set();
    const isFirst = (answer: string) => answer === `${id} ${isRefused ? state : 'confirmed'}`;
    if (answers.size > 1 || ![...answers].every(isFirst)) {
      round.violate('a repeat gets the first answer', `${[...answers].join(' and ')}: ${seen}`);
    }
    round.note(events.length > 2 ? `${state}, changed` : state);
  }
}

function checkEvents(round: Round, { id, state, events }: OrderRow, changes: number): void {
  const [first, second, ...rest] = events;
  const isDecided =
    first === 'order.received' && second === (state === 'refused' ? 'order.refused' : 'order.confirmed');
  const cancels = rest.filter((type) => type === 'order.cancelled').length;
  if (!isDecided || rest.length !== changes || cancels !== (state === 'cancelled' ? 1 : 0)) {
    round.violate('each event of an order once, in order', `${id} ${state}: ${events.join()}`);
  }
}

async function checkUnits(round: Round): Promise<void> {
  const { rows } = await round.plain.query<Record<string, number>>(`
    select sku, held, sold, received, on_hand as "onHand",
      (select coalesce(sum((l ->> 1)::bigint), 0)::bigint from hold, jsonb_array_elements(lines) as l
       where status = 'sold' and l ->> 0 = stock.sku) as bought
    from stock`);
  for (const row of rows) {
    const { held, sold, received, onHand, bought } = row;
    if (held !== 0 || sold !== bought || received !== (onHand as number) + (sold as number)) {
      round.violate('units are conserved', JSON.stringify(row));
    }
  }
}
