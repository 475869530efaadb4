import { Pool } from 'undici';
import { settle } from './checkout/books.ts';
import type { Server } from './checkout/processes.ts';
import { skus } from './checkout/shape.ts';
import { shopDatabases, startShop } from './checkout/shop.ts';
import type { BenchOptions } from './options.ts';
import { type Bar, barOf, medianBy, openReport, type Report, type Run, rounded } from './report.ts';
import { type Click, persist, type Rush, rush } from './rush/buyers.ts';
import { emailOf, type HandBooks, openHandShops } from './rush/by-hand.ts';
import { type BenchServer, startBenchServer } from './server.ts';

const buyersDefault = [200];
const stock = 50;
const shopName = 'holdfast';

interface Sale extends Run {
  /** Paid for, by the books. */
  readonly units: number;
  readonly oversold: number;
  /** On the shelf although somebody was told that all are gone. */
  readonly leftOver: number;
  readonly twice: number;
  readonly confused: number;
}

interface Contestant {
  readonly name: string;
  readonly click: (sku: string) => Click;
  readonly prepare: (sku: string) => Promise<unknown>;
  readonly books: (sku: string) => Promise<HandBooks>;
}

/**
 * Two hundred buyers for fifty units, all at the same moment, each clicking twice: through HTTP and the whole saga here, beside
 * what one writes by hand, on one PostgreSQL, in one run. What was sold is read from the books afterwards, not from answers.
 */
export async function benchRush(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const { clients: crowds = buyersDefault, rounds } = options;
  const finish = openReport('rush');
  const server = await startBenchServer([...shopDatabases, 'baseline']);
  const byHand = await openHandShops(server, 'baseline');
  let shop: Server | undefined;
  try {
    shop = await startShop(server, stock);
    const pool = new Pool(shop.url, { connections: Math.max(...crowds) * 2, pipelining: 1 });
    const hand = { prepare: (sku: string) => byHand.stock(sku, stock), books: byHand.books };
    const contestants: readonly Contestant[] = [
      {
        name: shopName,
        click: (sku) => overHttp(pool, sku),
        prepare: async () => {},
        books: (sku) => booksOf(server, sku),
      },
      { name: 'check-then-act', click: byHand.checkThenAct, ...hand },
      { name: 'guarded', click: byHand.guarded, ...hand },
    ];
    const sales: Sale[] = [];
    // The first is for the compilers: nobody opens the doors of a shop that has never sold anything.
    for (let round = 0; round <= rounds; round++) {
      for (const buyers of crowds) {
        for (const [i, { name, click, prepare, books }] of contestants.entries()) {
          // Of its own for each, so that every round has its fifty.
          const sku = `${skus[(round * crowds.length + crowds.indexOf(buyers)) % skus.length]}`;
          const own = i < 1 ? sku : `${name} ${round} ${buyers}`;
          await prepare(own);
          const outcome = await rush(buyers, click(own));
          if (i < 1) await settle(server);
          const sale = saleOf(name, buyers, outcome, await books(own));
          if (round > 0) sales.push(sale);
          onProgress(`round ${round}/${rounds}  ${lineOf(sale)}`);
        }
      }
    }
    await pool.close();
    return finish({
      bars: barsOf(sales.filter(({ name }) => name === shopName)),
      ratios: {},
      runs: crowds.flatMap((buyers) => contestants.map(({ name }) => middleOf(sales, name, buyers))),
      table: {
        head: [`${stock} units each`, 'buyers', 'sold', 'oversold', 'left over', 'charged twice', 'no clear answer'],
        rows: worstOf(sales),
      },
      details: { stock, rounds, everyRound: sales },
    });
  } finally {
    await byHand.close();
    await shop?.stop();
    await server.stop();
  }
}

function overHttp(pool: Pool, sku: string): Click {
  return (buyer) =>
    persist(async () => {
      const response = await pool.request({
        method: 'POST',
        path: '/orders',
        headers: { 'content-type': 'application/json', 'idempotency-key': `rush-${sku}-${buyer}` },
        body: JSON.stringify({
          ...{ email: emailOf(buyer), currency: 'EUR', lines: [{ sku, quantity: 1 }] },
          payment: { method: 'pm_card_visa' },
        }),
      });
      const text = await response.body.text();
      if (response.statusCode === 409 || response.statusCode === 503 || response.statusCode === 202) return undefined;
      const { state } = JSON.parse(text) as { state?: string };
      const told = state === 'confirmed' ? 'bought' : state === 'refused' ? 'sold out' : 'nothing clear';
      return { told, text };
    });
}

async function booksOf(server: BenchServer, sku: string): Promise<HandBooks> {
  const paid = await server.ask<{ id: string }>(
    'payments',
    `select order_id as id from payment where status in ('authorized', 'captured')`,
  );
  const [row] = await server.ask<{ units: string; twice: string }>(
    'orders',
    `select coalesce(sum(n), 0) as units, count(*) filter (where n > 1) as twice from (
       select email, count(*) as n from customer_order
       where lines @> jsonb_build_array(jsonb_build_object('sku', $1::text)) and id = any ($2::text[]) group by email) b`,
    [sku, paid.map(({ id }) => id)],
  );
  return { units: Number(row?.units), twice: Number(row?.twice) };
}

function saleOf(name: string, buyers: number, outcome: Rush, { units, twice }: HandBooks): Sale {
  const { seconds, soldOut, confused, latenciesMs } = outcome;
  const at = (share: number) => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(buyers * share))] ?? Number.NaN;
  return {
    ...{ name, clients: buyers, perSec: rounded(buyers / seconds, 1), units, twice, confused },
    ...{ p50Ms: rounded(at(0.5), 1), p99Ms: rounded(at(0.99), 1) },
    oversold: Math.max(0, units - stock),
    leftOver: soldOut > 0 ? Math.max(0, stock - units) : 0,
  };
}

const lineOf = ({ name, clients, units, twice, confused, perSec }: Sale) =>
  `${name.padEnd(15)} ${clients} buyers: ${units} of ${stock} sold, ${twice} charged twice, ${confused} without a clear answer, ${perSec} buyers/s`;

function middleOf(sales: readonly Sale[], name: string, buyers: number): Run {
  const own = sales.filter((sale) => sale.name === name && sale.clients === buyers);
  return medianBy(own, ({ perSec }) => perSec);
}

/** One good round proves nothing: of each contestant the worst of every kind. */
function worstOf(sales: readonly Sale[]): (string | number)[][] {
  const kinds = new Map(sales.map((sale) => [`${sale.name} ${sale.clients}`, sale]));
  return [...kinds.values()].map(({ name, clients }) => {
    const own = sales.filter((sale) => sale.name === name && sale.clients === clients);
    const most = (figure: (sale: Sale) => number) => Math.max(...own.map(figure));
    const figures = [most((s) => s.units), most((s) => s.oversold), most((s) => s.leftOver), most((s) => s.twice)];
    return [name, clients, ...figures, most((s) => s.confused)];
  });
}

function barsOf(sales: readonly Sale[]): readonly Bar[] {
  const most = (figure: (sale: Sale) => number) => Math.max(...sales.map(figure));
  const none = (name: string, unit: string, figure: (sale: Sale) => number) =>
    barOf({ name, value: most(figure), limit: 1, unit, rule: 'below' });
  return [
    none('oversold', 'units', ({ oversold }) => oversold),
    none('left over', 'units', ({ leftOver }) => leftOver),
    none('charged twice', 'buyers', ({ twice }) => twice),
    none('without a clear answer', 'buyers', ({ confused }) => confused),
  ];
}
