import { type Product, ProductInput, type products, productsProblems, type Resolved } from '#contracts/products';
import { type CallContext, createValidator, type Handlers } from '#kit/contract';
import { fingerprintOf } from '#kit/idempotency';
import type { DeadLetters, Subscription } from '#kit/messaging';
import { deadLetterHandlers, lagHandlers } from '#kit/messaging/operations';
import type { Database, Ids } from '#kit/runtime';
import { type BatchWriter, until } from '#kit/store';
import type { Command, Edit, Outcome } from './commands.ts';
import { importLines } from './import.ts';
import { bodyIn, etagOf } from './model.ts';
import type { ResolveCache } from './resolve-cache.ts';
import { search } from './search.ts';
import { categoryCounts } from './search-store.ts';
import { allProducts, labelsOf, productBy, type SoldAs } from './store.ts';

export interface HandlerOptions {
  readonly ids: Ids;
  readonly database: Database;
  readonly writer: BatchWriter<Command, Outcome>;
  readonly cache: ResolveCache;
  readonly candidatesMax: number;
  readonly deadLetters: DeadLetters;
  readonly lag: Subscription['lag'];
}

export function createHandlers({
  ids,
  database,
  writer,
  cache,
  candidatesMax,
  deadLetters,
  lag,
}: HandlerOptions): Handlers<typeof products> {
  const line = createValidator({
    method: 'POST',
    path: '',
    summary: '',
    access: [],
    body: ProductInput,
    responses: {},
  });
  function inputOf(value: unknown): ProductInput {
    line.checkRequest({}, {}, value);
    return value as ProductInput;
  }

  async function submit(command: Command): Promise<Outcome> {
    const outcome = await writer.submit(command);
    if (outcome.kind === 'changed') cache.expire();
    return outcome;
  }

  async function edit(productId: string, change: Edit, context: CallContext) {
    const outcome = await submit({ kind: 'edit', changeId: ids.next('chg'), productId, edit: change, context });
    return { status: 200, body: productIn(outcome), headers: headersOf(productIn(outcome)) } as const;
  }

  return {
    async search({ query }, context) {
      if (query.status !== undefined && query.status !== 'active' && !seesAll(context)) {
        throw productsProblems['not-found']({ detail: 'only staff can look for drafts and archived products' });
      }
      return { status: 200, body: await search(until(context.signal, database), query, candidatesMax) };
    },
    async get({ params }, context) {
      const product = await productBy(database, params.idOrSlug);
      if (!product || (product.status !== 'active' && !seesAll(context))) {
        throw productsProblems['not-found']({ detail: `there is no ${params.idOrSlug}` });
      }
      const headers = headersOf(product);
      if (isKnown(context, headers.etag)) return { status: 304, body: undefined, headers };
      return { status: 200, body: product, headers };
    },
    async categories() {
      return { status: 200, body: { items: [...(await categoryCounts(database))] } };
    },
    async create({ body }, context) {
      const claim = {
        scope: `products.create ${context.caller.kind}:${context.caller.id}`,
        key: context.idempotencyKey as string,
        fingerprint: fingerprintOf(body),
      };
      const command = {
        kind: 'create',
        changeId: ids.next('chg'),
        productId: ids.next('prd'),
        input: body,
        claim,
        context,
      };
      const outcome = await submit(command as Command);
      const product = productIn(outcome);
      return { status: 201, body: product, headers: { ...headersOf(product), location: `/products/${product.id}` } };
    },
    replace: ({ params, body }, context) => edit(params.productId, { kind: 'replace', input: body }, context),
    change: ({ params, body }, context) => edit(params.productId, { kind: 'patch', patch: body }, context),
    archive: ({ params }, context) => edit(params.productId, { kind: 'archive' }, context),
    async import({ body }, context) {
      return { status: 200, body: await importLines(body, context, { ids, submit, inputOf }) };
    },
    async export({ query }) {
      return { status: 200, body: exported(database, query.status ?? null) };
    },
    async resolve({ body }) {
      const known = await cache.get(body.skus);
      const items = [...known.values()].map((value) => resolvedOf(value, body.currency));
      const unknown = [...new Set(body.skus)].filter((sku) => !known.has(sku));
      return { status: 200, body: { items, unknown, ageMsMax: cache.ageMsMax } };
    },
    async labels({ body }) {
      return { status: 200, body: { items: await labelsOf(database, body.skus, body.currency) } };
    },
    async noteAvailability({ body }) {
      const outcome = await submit({ kind: 'availability', items: body.items });
      return { status: 200, body: { noted: outcome.kind === 'noted' ? outcome.count : 0 } };
    },
    ...deadLetterHandlers('products', deadLetters),
    ...lagHandlers({ lag }),
  };
}

function productIn(outcome: Outcome): Product {
  if (outcome.kind === 'noted') throw new Error('an edit came back as a note');
  return outcome.product;
}

function seesAll({ caller }: CallContext): boolean {
  return caller.kind === 'staff' || caller.kind === 'admin' || caller.kind === 'service';
}

/** Caches may keep a product, but must ask whether it is still so. */
function headersOf(product: Product) {
  return { etag: etagOf(product), 'cache-control': product.status === 'active' ? 'no-cache' : 'private, no-cache' };
}

/** RFC 9110, section 13.1.2: weak comparison. */
function isKnown(context: CallContext, etag: string): boolean {
  const known = context.headers['if-none-match'];
  if (known === undefined) return false;
  return known.trim() === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

async function* exported(database: Database, status: Product['status'] | null): AsyncGenerator<ProductInput> {
  for await (const product of allProducts(database, status)) yield bodyIn(product);
}

function resolvedOf({ sku, product_id, version, name, active, prices }: SoldAs, currency: string): Resolved {
  const amountMinor = prices[currency];
  return { sku, productId: product_id, version, name, active, ...(amountMinor === undefined ? {} : { amountMinor }) };
}
