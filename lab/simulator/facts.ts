import { webhookTypes } from '#contracts/webhooks';
import type { Row } from '#lab/checkers';
import type { Sandbox } from '#services/payments/sandbox';
import type { DatabaseServer } from './database-server.ts';
import type { DoorBook } from './door/book.ts';
import type { ErrandBook } from './errands.ts';
import { claimsSql, queries } from './fact-queries.ts';
import type { Facts, LogFact, ProductEventFact } from './fact-rows.ts';
import { type Attempt, operationsOf } from './history.ts';
import type { MailServer } from './mail.ts';
import type { News } from './newsroom.ts';
import type { Session } from './pglite/session.ts';
import type { DatabaseName, NemesisEvent, Plan } from './plan.ts';
import { type ProductSalesFact, type SalesFact, salesModels, type TillSales } from './sales.ts';
import type { ToldEvent } from './webhooks/check.ts';
import type { Merchants } from './webhooks/merchants.ts';

export interface FactSources {
  readonly databases: ReadonlyMap<DatabaseName, DatabaseServer>;
  readonly sandbox: Sandbox;
  readonly mail: MailServer;
  readonly attempts: readonly Attempt[];
  readonly plan: Pick<Plan, 'readers' | 'listeners' | 'storefront' | 'nemesis'>;
  readonly errands: ErrandBook;
  readonly news: readonly News[];
  readonly merchants: Merchants;
  readonly doorBook: DoorBook;
}

/**
 * Each part is read when it is first looked at, and then it stays: whoever only wants to know whether all is quiet is done
 * with the first thing that is not. So look at all of it before the run goes on.
 */
export function collectFacts(sources: FactSources): Facts {
  const { databases, sandbox, mail, attempts, plan, errands, news, merchants, doorBook } = sources;
  const rows = <T>(database: DatabaseName, sql: string): readonly T[] =>
    (databases.get(database)?.session.run(sql, []).rows ?? []) as readonly T[];
  const { notifications, analytics, assistant } = plan.listeners;
  const hasCatalogue = plan.storefront.products > 0;
  const productsNow = () =>
    rows<StoredProduct>('products', queries.products).map(({ id, version, body }) => ({
      ...{ id, version, attributes: body.attributes, prices: pricesOf(body) },
    }));
  const facts = lazily<Facts>({
    orders: () => rows('orders', queries.orders),
    sagas: () => rows('orders', queries.sagas),
    claims: () => [
      ...rows<Row<'claims'>>('orders', claimsSql('orders')),
      ...rows<Row<'claims'>>('inventory', claimsSql('inventory')),
      ...rows<Row<'claims'>>('carts', claimsSql('carts')),
      ...rows<Row<'claims'>>('tills', claimsSql('tills')),
    ],
    outbox: () => rows('orders', queries.outbox),
    stock: () => rows('inventory', queries.stock),
    movements: () => rows('inventory', queries.movements),
    holds: () => rows('inventory', queries.holds),
    returns: () => rows('inventory', queries.returns),
    payments: () => rows('payments', queries.payments),
    refunds: () => rows('payments', queries.refunds),
    log: () => rows<LogFact>('log', queries.log),
    ...(plan.readers > 0
      ? {
          applied: () => rows<Row<'applied'>>('log', queries.applied),
          views: () => rows<Row<'views'>>('log', queries.views),
          deadLetters: () => rows<Row<'deadLetters'>>('log', queries.deadLetters),
        }
      : {}),
    letters: () => rows('notifications', queries.letters),
    mails: () => mail.taken,
    ...(analytics + assistant > 0 || hasCatalogue ? { models } : {}),
    givenUp: () => rows<{ eventId: string }>('notifications', queries.deadLetters).map(({ eventId }) => eventId),
    ledger: () => sandbox.ledger.entries(),
    operations: () => operationsOf(attempts),
    followers: () => ({ reader: plan.readers > 0, notifications: notifications > 0 }),
    errands: () => errands,
    carts: () => rows('carts', queries.carts),
    checkouts: () => rows('carts', queries.checkouts),
    tillEntries: () => rows('tills', queries.tillEntries),
    news: () => news,
    accountEvents: () => rows('log', queries.accountEvents),
    productEvents: () => (hasCatalogue ? rows<ToldProduct>('log', queries.productEvents).map(toldOf) : []),
    sessions: () => rows('users', queries.sessions),
    products: productsNow,
    waiting: () => waiting('users') + waiting('products') + waiting('inventory'),
    delivered: () => merchants.taken,
    deliveries: () => rows('webhooks', queries.deliveries),
    notPosted: () => rows<{ eventId: string }>('webhooks', queries.deadLetters).map(({ eventId }) => eventId),
    told: () => rows<ToldEvent>('log', queries.told).filter(({ type }) => isForMerchants(type)),
    clockStepMsMax: () => Math.max(0, ...plan.nemesis.map(stepOfProcess)),
    door: () => doorBook,
    audit: () => rows('gateway', queries.audit),
    tables: () => [...databases].flatMap(([database, { session }]) => dumpTables(session, database)),
    isAssistantsClockSet: () =>
      plan.nemesis.some(({ kind, ...at }) => kind === 'clock-step' && 'node' in at && at.node === 'assistant-1'),
  });
  return facts;

  function waiting(database: DatabaseName): number {
    return Number(rows<{ count: number }>(database, queries.waiting)[0]?.count ?? 0);
  }

  /** What the catalogue shows as available, against the shop's own stock. */
  function availability(): Row<'models'>[] {
    const shown = new Map(
      rows<{ sku: string; available: boolean | null }>('products', queries.availability).map((row) => [row.sku, row]),
    );
    const own = rows<Row<'stock'>>('inventory', queries.stock).filter(({ holder }) => holder === 'main');
    return own
      .filter(({ sku }) => shown.has(sku))
      .map(({ sku, onHand }) => ({
        ...{ model: 'availability', key: sku, source: onHand > 0, copy: shown.get(sku)?.available ?? false },
      }));
  }

  function models(): Row<'models'>[] {
    const copies = new Map(
      rows<{ id: string; version: number }>('assistant', queries.copies).map((row) => [row.id, row]),
    );
    const sold = rows<TillSold>('log', queries.tillSales).map(({ data }) => data);
    const sales = () =>
      salesModels(
        facts.log,
        rows<SalesFact>('analytics', queries.sales)[0],
        rows<ProductSalesFact>('analytics', queries.productSales),
        sold,
      );
    const told = (hasCatalogue ? facts.products : news).map(({ id, version }) => ({
      ...{ model: 'assistant', key: id, source: version, copy: copies.get(id)?.version },
    }));
    return [...(analytics > 0 ? sales() : []), ...(assistant > 0 ? told : []), ...(hasCatalogue ? availability() : [])];
  }
}

function lazily<T extends object>(parts: { readonly [Name in keyof T]: () => T[Name] }): T {
  const made = {} as T;
  for (const [name, read] of Object.entries(parts) as [keyof T, () => unknown][]) {
    Object.defineProperty(made, name, {
      ...{ enumerable: true, configurable: true },
      get() {
        const value = read();
        Object.defineProperty(made, name, { enumerable: true, value });
        return value;
      },
    });
  }
  return made;
}

const isForMerchants = (type: string): boolean => (webhookTypes as readonly string[]).includes(type);

const stepOfProcess = (event: NemesisEvent): number =>
  event.kind === 'clock-step' && !event.node.startsWith('db-') ? Math.abs(event.byMs) : 0;

interface ProductBody {
  readonly attributes: Readonly<Record<string, string>>;
  readonly variants: readonly { readonly sku: string; readonly prices: readonly { readonly amountMinor: number }[] }[];
}
interface StoredProduct {
  readonly id: string;
  readonly version: number;
  readonly body: ProductBody;
}
interface ToldProduct {
  readonly product: ProductBody & Pick<StoredProduct, 'id' | 'version'>;
}

const pricesOf = ({ variants }: ProductBody): Record<string, number> =>
  Object.fromEntries(variants.map(({ sku, prices }) => [sku, prices[0]?.amountMinor ?? 0]));

const toldOf = ({ product }: ToldProduct): ProductEventFact => ({
  ...{ productId: product.id, version: product.version, prices: pricesOf(product) },
});

interface TillSold {
  readonly data: TillSales;
}

const tablesSql = `
  select table_name::text as name from information_schema.tables
  where table_schema = 'public' and table_name not like 'schema\\_%' order by 1`;

/** Where this checkout lies, as stacks of errors name it: rows keep some, and a digest has to be the same elsewhere. */
const checkout = new URL('../../', import.meta.url);
const withoutPlace = (text: string): string => text.replaceAll(checkout.href, '').replaceAll(checkout.pathname, '');

/** Every row of every table as text, for the digest. The tables of migrations tell when the image was made. */
export function dumpTables(session: Session, database: string): Facts['tables'] {
  const tables = session.run(tablesSql, []).rows as readonly { name: string }[];
  return tables.flatMap(({ name }) =>
    session
      .run(`select t::text as row from ${name} t order by 1`, [])
      .rows.map((row) => ({ database, row: `${name} ${withoutPlace(String(row['row']))}` })),
  );
}
