import type { assistant, Knowledge } from '#contracts/assistant';
import type { Cart, Checkout, carts } from '#contracts/carts';
import type { gateway } from '#contracts/gateway';
import { idLetters } from '#contracts/ids';
import type { inventory } from '#contracts/inventory';
import type { orders } from '#contracts/orders';
import type { products } from '#contracts/products';
import type { JournalEntry, Till, tills } from '#contracts/tills';
import type { users } from '#contracts/users';
import type { Caller, Client } from '#kit/contract';
import type { Random } from '#kit/runtime';
import { createProgramErrand, type KeyStory, programOf } from './door/program-errand.ts';
import { createRepriceErrand, type EditStory } from './door/reprice-errand.ts';
import { createSessionErrand, type SessionStory } from './door/session-errand.ts';
import type { Outcome } from './history.ts';
import type { Incarnation } from './node.ts';
import type { Errand, UnitsOfSku } from './plan.ts';
import { pick, type Simulation } from './simulation.ts';
import { createEndpointErrand, type EndpointStory, type WebhooksClient } from './webhooks/endpoint-errand.ts';
import type { Merchants } from './webhooks/merchants.ts';
import type { Call, Persist } from './workload.ts';

/**
 * What people do besides ordering: they fill carts on two devices and pay for them, sell at tills without a network and tell
 * of it later, ask the assistant, stay signed in, change products, have merchants told and programs let in. What they know for
 * sure stands in a book, which the checks hold against the rows.
 */

export interface ErrandServices {
  readonly carts: Client<typeof carts>;
  readonly tills: Client<typeof tills>;
  readonly assistant: Client<typeof assistant>;
  readonly users: Client<typeof users>;
  readonly products: Client<typeof products>;
  readonly orders: Client<typeof orders>;
  readonly inventory: Client<typeof inventory>;
  readonly webhooks: WebhooksClient;
  readonly gateway: Client<typeof gateway>;
}

/** Units by SKU. */
export type Units = Map<string, number>;

interface CartStory {
  readonly customer: string;
  /** Additions that were acknowledged before the cart was looked at for the last time. */
  readonly added: Units;
}

interface TillStory {
  readonly tillId: string;
  readonly stockedUp: Units;
  readonly handedBack: Units;
  /** Refused, which keeps no key: a copy of the request that comes late may be taken all the same. */
  readonly refused: { readonly in: Units; readonly out: Units };
  /** Sales that the till has been told are taken. */
  readonly sales: { readonly saleId: string; readonly lines: readonly UnitsOfSku[] }[];
}

/** What the assistant said of itself, and when it was asked, in true time. */
interface Said {
  readonly startMs: number;
  readonly endMs: number;
  readonly knowledge: Knowledge;
}

export interface ErrandBook {
  readonly carts: CartStory[];
  readonly tills: TillStory[];
  readonly said: Said[];
  readonly sessions: SessionStory[];
  readonly edits: EditStory[];
  readonly endpoints: EndpointStory[];
  readonly keys: KeyStory[];
  /** Orders, and who placed them; undefined: a guest. */
  readonly owners: { readonly orderId: string; readonly customerId: string | undefined }[];
  /** Passwords, tokens, keys: what stands in no table. */
  readonly secrets: Set<string>;
}

/** Asks until there is an answer; undefined: it was refused for good. */
export type Ask = <T>(errand: Errand, kind: string, send: Call['send']) => Promise<T | undefined>;

const guest: Caller = { kind: 'anonymous', id: 'anonymous' };
const staff: Caller = { kind: 'staff', id: 'usr_staff' };
const admin: Caller = { kind: 'admin', id: 'usr_admin' };
const checkoutsMax = 5;
const looksMax = 40;
const lookEveryMs = 1_000;

const shippingAddress = { name: 'Ada', line1: 'Street 1', city: 'Town', country: 'DE' };

const add = (units: Units, { sku, quantity }: UnitsOfSku): void =>
  void units.set(sku, (units.get(sku) ?? 0) + quantity);

export interface ErrandOptions {
  readonly simulation: Simulation;
  readonly world: Incarnation['world'];
  readonly persist: Persist;
  /** Asks once. */
  readonly attempt: (call: Call, caller: Caller) => Promise<Outcome>;
  readonly merchants: Pick<Merchants, 'leave'>;
  readonly secrets: Set<string>;
  /** Who somebody is to the shop. */
  readonly knownAs: (caller: Caller) => Promise<Caller>;
  /** The product of a SKU, once there is one. */
  readonly productOf: (sku: string) => Promise<string | undefined>;
}

export function createErrands(options: ErrandOptions) {
  const { simulation, world, persist, attempt, knownAs, productOf, merchants, secrets } = options;
  const book: ErrandBook = {
    ...{ carts: [], tills: [], said: [], sessions: [], edits: [], endpoints: [], keys: [], owners: [] },
    secrets,
  };
  const random = simulation.stream('errands');

  async function ask<T>(
    errand: Errand,
    kind: string,
    caller: Caller,
    send: Call['send'],
    isEnd: (status: number) => boolean = () => true,
  ): Promise<T | undefined> {
    const reply = await persist({ operation: errand.id, kind, send }, caller, ({ status }) => isEnd(status));
    return reply?.body as T | undefined;
  }

  const twice = async <T>(twins: number, once: () => Promise<T | undefined>): Promise<T | undefined> =>
    (await Promise.all(Array.from({ length: 1 + twins }, once))).find((one) => one !== undefined);

  async function goShopping(errand: Extract<Errand, { kind: 'shopping' }>): Promise<void> {
    const { id, customer, adds, joinTwins, method } = errand;
    const me: Caller = { kind: 'customer', id: customer };
    for (const { sku } of adds) await productOf(sku);
    const make: Call['send'] = ({ carts }, context) => carts.create({ body: {} }, context);
    const [first, own] = [await ask<Cart>(errand, 'cart', guest, make), await ask<Cart>(errand, 'cart', me, make)];
    if (!first || !own) return;
    const story: CartStory = { customer: (await knownAs(me)).id, added: new Map() };
    const fill = (device: 'guest' | 'own') =>
      Promise.all(
        adds.map(async ({ waitMs, sku, quantity, twins, ...one }, i) => {
          if (one.device !== device) return;
          await world.timers.sleep(waitMs);
          const [cartId, caller] = device === 'guest' ? [first.id, guest] : [own.id, me];
          const body = { edits: [{ kind: 'add', sku, quantity }] } as const;
          const send: Call['send'] = ({ carts }, context) =>
            carts.edit({ key: `add-${id}-${i}`, params: { cartId }, body: { edits: [...body.edits] } }, context);
          if (await twice(twins, () => ask(errand, 'cart.add', caller, send))) add(story.added, { sku, quantity });
        }),
      );
    // The other device goes on while the guest signs in.
    const others = fill('own');
    await fill('guest');
    const join: Call['send'] = ({ carts }, context) => carts.join({ params: { cartId: first.id } }, context);
    await Promise.all([others, twice(joinTwins, () => ask(errand, 'cart.join', me, join))]);
    book.carts.push(story);
    if (method !== undefined) await checkOut(errand, me, own.id, method);
  }

  /** Pays for what the screen shows; when that has changed, looks again. */
  async function checkOut(errand: Errand, me: Caller, cartId: string, method: string): Promise<void> {
    for (let attempt = 0; attempt < checkoutsMax; attempt++) {
      const cart = await ask<Cart>(errand, 'cart.get', me, ({ carts }, context) =>
        carts.get({ params: { cartId } }, context),
      );
      if (!cart?.totals) return;
      const params = { cartId, round: String(cart.round) };
      const body = {
        email: `${me.id}@example.com`,
        shippingAddress,
        payment: { method },
        seen: { totalMinor: cart.totals.totalMinor },
      };
      const begun = await ask<Checkout>(errand, 'cart.checkout', me, ({ carts }, context) =>
        carts.checkout({ params, body }, context),
      );
      if (begun) return lookUntilDecided(errand, me, params);
    }
  }

  async function lookUntilDecided(
    errand: Errand,
    me: Caller,
    params: { cartId: string; round: string },
  ): Promise<void> {
    const send: Call['send'] = ({ carts }, context) => carts.getCheckout({ params }, context);
    for (let i = 0; i < looksMax; i++) {
      const checkout = await ask<Checkout>(errand, 'cart.look', me, send);
      if (checkout && ['confirmed', 'refused'].includes(checkout.state)) return;
      await world.timers.sleep(lookEveryMs);
    }
  }

  async function runTill(errand: Extract<Errand, { kind: 'till' }>): Promise<void> {
    const { id, stockUp, offlineMs, handBack } = errand;
    const body = { name: `Till ${id}`, currency: 'EUR', country: 'DE' };
    const made = await ask<{ till: Till; code: string }>(errand, 'till', staff, ({ tills }, context) =>
      tills.create({ key: `till-${id}`, body }, context),
    );
    if (!made) return;
    const tillId = made.till.id;
    const deviceKey = await enrol(errand, tillId, made.code);
    if (deviceKey === undefined) return;
    const refused = { in: new Map(), out: new Map() };
    const story: TillStory = { tillId, stockedUp: new Map(), handedBack: new Map(), refused, sales: [] };
    book.tills.push(story);
    const move = async (direction: 'in' | 'out', lines: readonly UnitsOfSku[], units: Units): Promise<void> => {
      const send: Call['send'] = ({ tills }, context) =>
        tills.restock(
          { key: `${direction}-${id}`, params: { tillId }, body: { direction, lines: [...lines] } },
          context,
        );
      const done = await twice(errand.twins, () => ask(errand, `till.${direction}`, staff, send));
      for (const line of lines) add(done ? units : refused[direction], line);
    };
    await move('in', stockUp, story.stockedUp);
    await world.timers.sleep(offlineMs);
    await tellJournal(errand, deviceKey, story);
    if (handBack) await move('out', [handBack], story.handedBack);
  }

  /** A code works once: who lost the answer to its use needs another one. */
  async function enrol(errand: Errand, tillId: string, first: string): Promise<string | undefined> {
    let code: string | undefined = first;
    while (code !== undefined) {
      const body = { code, device: 'lab' };
      const enrolled = await ask<{ key: string }>(errand, 'till.enrol', guest, ({ tills }, context) =>
        tills.enrol({ body }, context),
      );
      if (enrolled) {
        secrets.add(enrolled.key);
        return enrolled.key;
      }
      const next = await ask<{ code: string }>(errand, 'till.code', staff, ({ tills }, context) =>
        tills.newCode({ params: { tillId } }, context),
      );
      code = next?.code;
    }
    return undefined;
  }

  /** Back online: pieces of the journal go out at once, in any order, some of them twice. */
  async function tellJournal(
    errand: Extract<Errand, { kind: 'till' }>,
    deviceKey: string,
    story: TillStory,
  ): Promise<void> {
    const sessionId = `tse_${letters(random)}`;
    const at = new Date(world.clock.now()).toISOString();
    const sales = errand.sales.map(({ lines }) => ({ saleId: `sal_${letters(random)}`, lines }));
    const entries: JournalEntry[] = [
      { kind: 'open', seq: 1, sessionId, at, cashier: 'Ada', floatMinor: 0 },
      ...sales.map(({ saleId, lines }, i): JournalEntry => {
        const totalMinor = lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0);
        return {
          ...{ kind: 'sale', seq: i + 2, sessionId, at, saleId, discounts: [], totalMinor, offline: true },
          lines: lines.map(({ sku, quantity, unitPriceMinor }) => ({ sku, name: sku, quantity, unitPriceMinor })),
          tenders: [{ kind: 'cash', amountMinor: totalMinor }],
        };
      }),
      { kind: 'close', seq: sales.length + 2, sessionId, at, countedMinor: 0 },
    ];
    const pieces = inPieces(shuffled(entries, random), errand.piece);
    const headers = { 'till-key': deviceKey };
    const told = await Promise.all(
      pieces.map((piece) => {
        const send: Call['send'] = ({ tills }, context) => tills.record({ headers, body: { entries: piece } }, context);
        return twice(errand.twins, () => ask(errand, 'till.tell', guest, send));
      }),
    );
    if (told.includes(undefined)) {
      simulation.violate('each sale at a till counts once', `${story.tillId}: the journal was refused`);
    }
    story.sales.push(...sales);
  }

  async function askAssistant(errand: Extract<Errand, { kind: 'ask' }>): Promise<void> {
    const body = { question: `What does ${errand.sku} cost?` };
    for (let i = 0; i < errand.times; i++) {
      let startMs = simulation.world.nowMs;
      const answer = await ask<{ knowledge: Knowledge }>(errand, 'ask', guest, ({ assistant }, context) => {
        startMs = simulation.world.nowMs;
        return assistant.ask({ body }, context);
      });
      if (answer) book.said.push({ startMs, endMs: simulation.world.nowMs, knowledge: answer.knowledge });
      await world.timers.sleep(lookEveryMs * random.next());
    }
  }

  const { timers } = world;
  const staySignedIn = createSessionErrand({
    ask: (errand, kind, send) => ask(errand, kind, guest, send),
    ...{ book: book.sessions, secrets },
  });
  const reprice = createRepriceErrand({
    ask: (errand, kind, send) => ask(errand, kind, staff, send),
    ...{ timers, book: book.edits, productOf },
  });
  const keepEndpoint = createEndpointErrand({
    ask: (errand, kind, send) => ask(errand, kind, admin, send),
    ...{ simulation, timers, merchants, book: book.endpoints, secrets },
  });
  const workByKey = createProgramErrand({
    ask: (errand, kind, send) => ask(errand, kind, admin, send),
    attempt: ({ id: operation }, kind, key, send) => attempt({ operation, kind, send }, programOf(key)),
    ...{ simulation, timers, book: book.keys, secrets },
  });

  return {
    book,
    perform(errand: Errand): Promise<void> {
      switch (errand.kind) {
        case 'shopping':
          return goShopping(errand);
        case 'till':
          return runTill(errand);
        case 'ask':
          return askAssistant(errand);
        case 'session':
          return staySignedIn(errand);
        case 'reprice':
          return reprice(errand);
        case 'endpoint':
          return keepEndpoint(errand);
        case 'program':
          return workByKey(errand);
      }
    },
  };
}

const letters = (random: Random): string => Array.from({ length: 26 }, () => pick(random, [...idLetters])).join('');

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const inPieces = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
