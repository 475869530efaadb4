import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { deadLetterOperations, lagOperation, noDeadLetter } from '#kit/messaging/operations';
import { Currency, closed, pageQuery, Sku, Timestamp } from './common.ts';

export const ProductId = Type.String({ pattern: '^prd_[0-9A-Z]{26}$' });

const Slug = Type.String({ minLength: 1, maxLength: 120, pattern: '^[a-z0-9]+(-[a-z0-9]+)*$' });

/** Attributes and options are facets of the search, so their names are plain words: `material`, `rope-length`. */
const FieldName = '^[a-z][a-z0-9-]{0,39}$';
const FieldValue = Type.String({ minLength: 1, maxLength: 80, pattern: '\\S' });

const Category = Type.String({
  maxLength: 120,
  pattern: '^[a-z0-9-]{1,60}(/[a-z0-9-]{1,60}){0,4}$',
  description: 'A path, `ropes/dynamic`: the product is also found under `ropes`',
});

const PriceMinor = Type.Integer({ minimum: 0, maximum: 1_000_000_000_000, description: 'Minor units' });

const Price = closed({
  currency: Currency,
  amountMinor: PriceMinor,
  compareAtMinor: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: 'A former, higher price to show beside it' }),
  ),
});
export type Price = Static<typeof Price>;

const Variant = closed({
  sku: Sku,
  gtin: Type.Optional(
    Type.String({
      pattern: '^(\\d{8}|\\d{12,14})$',
      description: 'GTIN-8, -12, -13 or -14; its check digit is verified',
    }),
  ),
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'Default: the option values' })),
  options: Type.Record(Type.String({ pattern: FieldName }), FieldValue, {
    maxProperties: 5,
    additionalProperties: false,
    description: 'What tells it from its siblings: `{"size":"M","colour":"red"}`',
  }),
  prices: Type.Array(Price, { maxItems: 30 }),
});
export type Variant = Static<typeof Variant>;

const Image = closed({
  url: Type.String({ maxLength: 1000, pattern: '^https?://[^\\s<>"]+$' }),
  alt: Type.String({ maxLength: 300 }),
});
export type Image = Static<typeof Image>;

export const ProductStatus = Type.Union([Type.Literal('draft'), Type.Literal('active'), Type.Literal('archived')]);
export type ProductStatus = Static<typeof ProductStatus>;

const name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' });
const description = Type.String({ maxLength: 20_000 });
const categories = Type.Array(Category, { maxItems: 20 });
const images = Type.Array(Image, { maxItems: 30 });
const attributes = Type.Record(Type.String({ pattern: FieldName }), FieldValue, {
  maxProperties: 50,
  additionalProperties: false,
});
const variants = Type.Array(Variant, { minItems: 1, maxItems: 100 });

/** What people write. The same shape is a line of import and export. */
export const ProductInput = closed({
  slug: Type.Optional(Slug),
  name,
  description: Type.Optional(description),
  categories: Type.Optional(categories),
  images: Type.Optional(images),
  status: Type.Optional(ProductStatus),
  attributes: Type.Optional(attributes),
  variants,
});
export type ProductInput = Static<typeof ProductInput>;

/** A field that is given replaces the whole field; a field left out stays. */
const ProductPatch = Type.Object(
  {
    slug: Type.Optional(Slug),
    name: Type.Optional(name),
    description: Type.Optional(description),
    categories: Type.Optional(categories),
    images: Type.Optional(images),
    status: Type.Optional(ProductStatus),
    attributes: Type.Optional(attributes),
    variants: Type.Optional(variants),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type ProductPatch = Static<typeof ProductPatch>;

export const Product = closed({
  id: ProductId,
  version: Type.Integer({ minimum: 1, description: 'Grows by one with every change; the ETag' }),
  slug: Slug,
  name,
  description,
  categories,
  images,
  status: ProductStatus,
  attributes,
  variants,
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type Product = Static<typeof Product>;

/** A product as a list shows it. */
const ProductCard = closed({
  id: ProductId,
  slug: Slug,
  name,
  categories,
  status: ProductStatus,
  image: Type.Optional(Image),
  price: Type.Optional(
    closed({
      currency: Currency,
      fromMinor: PriceMinor,
      toMinor: PriceMinor,
      compareAtMinor: Type.Optional(PriceMinor),
    }),
  ),
  available: Type.Optional(Type.Boolean({ description: 'Absent while no stock answer has been seen' })),
  skus: Type.Array(Sku),
});
export type ProductCard = Static<typeof ProductCard>;

const Facet = closed({
  name: Type.String({ description: '`category`, or the name of an option or attribute' }),
  values: Type.Array(closed({ value: Type.String(), count: Type.Integer() })),
});

const PriceBucket = closed({
  fromMinor: PriceMinor,
  belowMinor: Type.Optional(PriceMinor),
  count: Type.Integer(),
});

const SearchReply = closed({
  items: Type.Array(ProductCard),
  nextCursor: Type.Optional(Type.String()),
  matches: closed({
    count: Type.Integer(),
    capped: Type.Boolean({
      description:
        'There may be more: relevance and facet counts are of the first `count` found, other orders are of all',
    }),
  }),
  facets: Type.Optional(Type.Array(Facet, { description: 'On the first page only' })),
  prices: Type.Optional(Type.Array(PriceBucket)),
  corrections: Type.Array(closed({ typed: Type.String(), used: Type.Array(Type.String()) }), {
    description: 'Words the catalogue does not know, and what was looked for as well',
  }),
  relaxed: Type.Boolean({ description: 'No product has all the words: these have some of them' }),
});
export type SearchReply = Static<typeof SearchReply>;

export const SearchSort = Type.Union([
  Type.Literal('relevance'),
  Type.Literal('price'),
  Type.Literal('-price'),
  Type.Literal('name'),
  Type.Literal('newest'),
]);
export type SearchSort = Static<typeof SearchSort>;

const SearchQuery = closed({
  ...pageQuery,
  q: Type.Optional(Type.String({ maxLength: 200, description: 'Words, a SKU or a GTIN' })),
  category: Type.Optional(Type.Array(Category, { maxItems: 10, description: 'Any of these' })),
  filter: Type.Optional(
    Type.Array(Type.String({ maxLength: 121, pattern: '^[a-z][a-z0-9-]{0,39}:[^\\x00]+$' }), {
      maxItems: 20,
      description: '`size:M`. Any of the values of one name, all of the names',
    }),
  ),
  currency: Type.Optional(
    Type.String({ pattern: '^[A-Z]{3}$', description: 'Of prices shown and asked for. Default EUR' }),
  ),
  priceFromMinor: Type.Optional(PriceMinor),
  priceToMinor: Type.Optional(PriceMinor),
  available: Type.Optional(Type.Boolean({ description: 'true: leave out what is known to be sold out' })),
  status: Type.Optional(ProductStatus),
  sort: Type.Optional(SearchSort),
  facets: Type.Optional(Type.Boolean({ description: 'Default true on the first page' })),
});
export type SearchQuery = Static<typeof SearchQuery>;

const Resolved = closed({
  sku: Sku,
  productId: ProductId,
  version: Type.Integer(),
  name: Type.String({ description: 'Product and variant, as an order line shows it' }),
  active: Type.Boolean(),
  amountMinor: Type.Optional(PriceMinor),
});
export type Resolved = Static<typeof Resolved>;

const Label = closed({
  sku: Sku,
  name: Type.String({ description: 'Product and variant, as an order line shows it' }),
  amountMinor: PriceMinor,
  gtin: Type.Optional(Type.String({ description: 'Fourteen digits' })),
  category: Type.Optional(Category),
});
export type Label = Static<typeof Label>;

const ImportRejection = closed({
  line: Type.Integer({ minimum: 1 }),
  sku: Type.Optional(Type.String()),
  code: Type.String(),
  reason: Type.String(),
});
export type ImportRejection = Static<typeof ImportRejection>;

const ImportReply = closed({
  lines: Type.Integer({ description: 'All but blank ones' }),
  created: Type.Integer(),
  changed: Type.Integer(),
  unchanged: Type.Integer(),
  rejected: Type.Integer(),
  rejections: Type.Array(ImportRejection, { description: 'The first 1,000' }),
  rejectionsOmitted: Type.Integer(),
});
export type ImportReply = Static<typeof ImportReply>;

export const productsProblems = problemTable('products', {
  'no-dead-letter': noDeadLetter,
  'not-found': {
    status: 404,
    title: 'There is no such product',
    category: 'input',
    retry: 'never',
    hint: 'Check the id or slug; drafts and archived products are shown to staff only.',
  },
  'not-valid': {
    status: 422,
    title: 'The product contradicts itself',
    category: 'input',
    retry: 'never',
    hint: 'Mend the places listed in errors.',
  },
  'slug-taken': {
    status: 409,
    title: 'Another product has this slug',
    category: 'conflict',
    retry: 'never',
    hint: 'Choose another slug, or edit the product in productId.',
  },
  'sku-taken': {
    status: 409,
    title: 'Another product has this SKU',
    category: 'conflict',
    retry: 'never',
    hint: 'A SKU belongs to one variant for ever; edit the product in productId instead.',
  },
  'gtin-taken': {
    status: 409,
    title: 'Another product has this GTIN',
    category: 'conflict',
    retry: 'never',
    hint: 'A barcode names one trade item; edit the product in productId instead.',
  },
  'ambiguous-line': {
    status: 422,
    title: 'The SKUs of this line belong to different products',
    category: 'conflict',
    retry: 'never',
    hint: 'Give each product its own line, or name the product by its slug.',
  },
  'bad-cursor': {
    status: 400,
    title: 'The cursor does not belong to this query',
    category: 'input',
    retry: 'never',
    hint: 'Send nextCursor with the very query it came from, or start again without it.',
  },
});

const ofProduct = closed({ productId: ProductId });
const NotModified = Type.Unsafe<undefined>({ description: 'Not modified' });
const edits = [
  'products/not-found',
  'products/not-valid',
  'products/slug-taken',
  'products/sku-taken',
  'products/gtin-taken',
] as const;

export const products = defineService({
  service: 'products',
  problems: productsProblems,
  operations: {
    search: {
      method: 'GET',
      path: '/products',
      summary: 'Lists, searches and filters products. Typing errors are forgiven; facets are counted.',
      access: ['anonymous'],
      priority: 'low',
      consistency: 'strong',
      query: SearchQuery,
      responses: { 200: SearchReply },
      problems: ['products/bad-cursor'],
    },
    get: {
      method: 'GET',
      path: '/products/{idOrSlug}',
      summary: 'A product with its variants. 304 when If-None-Match names the current ETag.',
      access: ['anonymous'],
      calls: { hedge: true },
      consistency: 'strong',
      headers: { 'If-None-Match': { description: 'ETags that are known already', required: false } },
      params: closed({ idOrSlug: Type.String({ maxLength: 120, pattern: '^[A-Za-z0-9_-]+$' }) }),
      responses: { 200: Product, 304: NotModified },
      problems: ['products/not-found'],
    },
    categories: {
      method: 'GET',
      path: '/categories',
      summary: 'All categories with active products, by path, and how many products each has.',
      access: ['anonymous'],
      priority: 'low',
      consistency: 'eventual',
      responses: { 200: closed({ items: Type.Array(closed({ path: Category, count: Type.Integer() })) }) },
    },
    create: {
      method: 'POST',
      path: '/products',
      summary: 'Adds a product. Without a slug it gets one from its name.',
      access: ['staff', 'service'],
      idempotency: 'required',
      body: ProductInput,
      responses: { 201: Product },
      problems: edits.filter((code) => code !== 'products/not-found'),
    },
    replace: {
      method: 'PUT',
      path: '/products/{productId}',
      summary: 'Replaces a product. Fields left out go back to their defaults; the slug stays.',
      access: ['staff', 'service'],
      conditional: true,
      params: ofProduct,
      body: ProductInput,
      responses: { 200: Product },
      problems: edits,
    },
    change: {
      method: 'PATCH',
      path: '/products/{productId}',
      summary: 'Replaces the fields that are given.',
      access: ['staff', 'service'],
      conditional: true,
      params: ofProduct,
      body: ProductPatch,
      responses: { 200: Product },
      problems: edits,
    },
    archive: {
      method: 'DELETE',
      path: '/products/{productId}',
      summary: 'Takes a product off the shelf for good; its SKUs stay taken, and staff can still see it.',
      access: ['staff', 'service'],
      conditional: true,
      params: ofProduct,
      responses: { 200: Product },
      problems: ['products/not-found'],
    },
    import: {
      method: 'POST',
      path: '/products/import',
      summary:
        'Takes products as JSON lines, made or replaced by slug, else by SKU. A line that is already so changes nothing.',
      access: ['staff', 'service'],
      stream: 'request',
      body: ProductInput,
      responses: { 200: ImportReply },
      deadlineMs: 900_000,
      bodySizeBytesMax: 1024 * 1024 * 1024,
    },
    export: {
      method: 'GET',
      path: '/products/export',
      summary: 'All products as JSON lines that import takes, oldest first.',
      access: ['staff', 'service'],
      stream: 'reply',
      query: closed({ status: Type.Optional(ProductStatus) }),
      responses: { 200: ProductInput },
      deadlineMs: 900_000,
    },
    resolve: {
      method: 'POST',
      path: '/products/resolve',
      summary: 'Name, product and price of many SKUs at once, for orders. May be as old as ageMsMax.',
      access: ['service'],
      callers: ['orders', 'carts'],
      priority: 'critical',
      consistency: 'eventual',
      body: closed({ skus: Type.Array(Sku, { minItems: 1, maxItems: 2000 }), currency: Currency }),
      responses: {
        200: closed({
          items: Type.Array(Resolved),
          unknown: Type.Array(Sku),
          ageMsMax: Type.Integer({ description: 'No item is older than this' }),
        }),
      },
    },
    labels: {
      method: 'POST',
      path: '/products/resolve/labels',
      summary: 'What tills show of many SKUs at once. What is not sold, or not in this currency, is left out.',
      access: ['service'],
      callers: ['tills'],
      consistency: 'eventual',
      body: closed({ skus: Type.Array(Sku, { maxItems: 2000 }), currency: Currency }),
      responses: { 200: closed({ items: Type.Array(Label) }) },
    },
    noteAvailability: {
      method: 'POST',
      path: '/products/availability',
      summary: 'Notes stock answers for the availability facet. An answer older than the one noted is passed over.',
      access: ['service'],
      body: closed({
        items: Type.Array(
          closed({
            sku: Sku,
            available: Type.Boolean(),
            version: Type.Integer({ description: "Inventory's, of this SKU" }),
          }),
          { minItems: 1, maxItems: 2000 },
        ),
      }),
      responses: { 200: closed({ noted: Type.Integer() }) },
    },
    ...deadLetterOperations('products'),
    ...lagOperation('products'),
  },
});

export const productEventTypes = ['product.created', 'product.changed', 'product.archived'] as const;
export type ProductEventType = (typeof productEventTypes)[number];

/** What product events carry. `subject` is the product id; events of one product keep their order. */
export interface ProductEvent {
  readonly product: Product;
  /** Statuses before and after differ when a product is published or taken down. Absent at creation. */
  readonly statusBefore?: ProductStatus;
}
