import type { Product } from '#contracts/products';
import { contractProblems, isProblem, type Problem, problemFromReply } from '#kit/contract';
import { claimKeys, completeKeys } from '#kit/idempotency';
import type { Clock, Transaction } from '#kit/runtime';
import type { Verdict } from '#kit/store';
import type { AvailabilityNote, Command, Outcome } from './commands.ts';
import { createWorkingSet, type ProductCommand, type Stored, type WorkingSet } from './decide.ts';
import { isCategory, searchDocumentOf } from './document.ts';
import { gtin14 } from './gtin.ts';
import { bodyIn, lineNameOf, slugsFor } from './model.ts';
import { type ProductRow, productOf } from './rows.ts';
import { codeOf } from './text.ts';
import { formsFiled } from './typo.ts';

/** The part of an outbox (kit/messaging) that the service uses. */
export interface EventOutbox {
  publish(tx: Transaction, events: readonly OutgoingEvent[]): Promise<unknown>;
  wake(): void;
}

export interface OutgoingEvent {
  readonly type: string;
  readonly key: string;
  readonly data: unknown;
  readonly context?: ProductCommand['context'];
}

/**
 * One writer at a time for the whole catalogue, over all instances. Catalogue changes are rare and go in batches, so a
 * lock held for one batch (about 10 ms) costs little, and it buys: uniqueness decided by look-up with a clear
 * answer for each command, no deadlocks over shared words and SKUs, and no repeats. Readers are never held up.
 */
const lockSql = `select pg_advisory_xact_lock(hashtext('holdfast products writer'))`;

/** Each branch by its own index; a product that owns several of the names comes once. */
const loadSql = `
  with wanted (id) as (
    select unnest($1::text[])
    union select id from product where slug = any ($2::text[])
    union select product_id from variant where sku = any ($3::text[])
    union select product_id from variant where gtin14 = any ($4::text[])
  )
  select p.id, p.version, p.body, p.last_change, p.created_at, p.updated_at
  from product p join wanted using (id)`;

const putProductsSql = `
  insert into product (id, version, slug, status, body, last_change, created_at, updated_at)
  select * from unnest(
    $1::text[], $2::int[], $3::text[], $4::text[], $5::json[], $6::text[], $7::timestamptz[], $8::timestamptz[])
  on conflict (id) do update set
    version = excluded.version, slug = excluded.slug, status = excluded.status, body = excluded.body,
    last_change = excluded.last_change, updated_at = excluded.updated_at`;

const dropVariantsSql = `delete from variant where product_id = any ($1::text[]) and sku <> all ($2::text[])`;

/** What inventory has said of a SKU outlives the change. */
const putVariantsSql = `
  insert into variant (sku, product_id, gtin14, code, name, active, prices, available, availability_version)
  select new.*, n.available, coalesce(n.version, 0)
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::json[])
    as new (sku, product_id, gtin14, code, name, active, prices) left join stock_note n on n.sku = new.sku
  on conflict (sku) do update set
    product_id = excluded.product_id, gtin14 = excluded.gtin14, code = excluded.code, name = excluded.name,
    active = excluded.active, prices = excluded.prices`;

/** Available when any variant is; sold out only when all are known to be. */
const availableSql = `
  (select case when bool_or(v.available) then true when bool_and(v.available is not null) then false end
   from variant v where v.product_id = s.product_id)`;

const putSearchSql = `
  insert into product_search (product_id, status, name_key, document, facets, prices, available)
  select s.product_id, s.status, s.name_key, s.document::tsvector,
    array(select jsonb_array_elements_text(s.facets)), s.prices, ${availableSql}
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[])
    as s (product_id, status, name_key, document, facets, prices)
  on conflict (product_id) do update set
    status = excluded.status, name_key = excluded.name_key, document = excluded.document, facets = excluded.facets,
    prices = excluded.prices, available = excluded.available`;

const dropPricesSql = `delete from product_price where product_id = any ($1::text[])`;

const putPricesSql = `
  insert into product_price (currency, product_id, amount_minor)
  select * from unnest($1::text[], $2::text[], $3::bigint[])`;

const countWordsSql = `
  insert into search_word as known (word, products)
  select * from unnest($1::text[], $2::int[])
  on conflict (word) do update set products = known.products + excluded.products
  returning word, xmax = 0 as fresh`;

const dropWordsSql = `delete from search_word where word = any ($1::text[]) and products <= 0`;

const putFormsSql = `
  insert into search_form (form, word) select * from unnest($1::text[], $2::text[]) on conflict do nothing`;

/** Also of SKUs that are not in the catalogue yet: stock may well be there first. */
const keepNotesSql = `
  insert into stock_note as known (sku, available, version)
  select * from unnest($1::text[], $2::boolean[], $3::bigint[])
  on conflict (sku) do update set available = excluded.available, version = excluded.version
    where known.version < excluded.version`;

const noteSql = `
  with noted as (
    update variant v set available = n.available, availability_version = n.version
    from unnest($1::text[], $2::boolean[], $3::bigint[]) as n (sku, available, version)
    where v.sku = n.sku and v.availability_version < n.version
    returning v.sku, v.product_id
  )
  select sku, product_id from noted`;

const refreshAvailabilitySql = `
  update product_search s set available = ${availableSql}
  where s.product_id = any ($1::text[]) and s.available is distinct from ${availableSql}`;

/** Applies a batch of commands: loads what they touch, decides one after the other, writes each table once. */
export function createApply({ clock, outbox }: { readonly clock: Clock; readonly outbox: EventOutbox | undefined }) {
  return async function apply(tx: Transaction, commands: readonly Command[]): Promise<Verdict<Outcome>[]> {
    await tx.query(lockSql);
    const edits = commands.filter((command) => command.kind !== 'availability');
    const [claims, loaded] = await Promise.all([claim(tx, edits), load(tx, edits)]);
    const nowIso = new Date(clock.now()).toISOString();
    const set = createWorkingSet(loaded, nowIso);
    const verdicts = new Map<Command, Verdict<Outcome>>();
    for (const command of edits) verdicts.set(command, claims.get(command) ?? decide(set, command));
    await write(tx, set);
    const events = set.happened.map(({ type, data, command }) => ({
      type,
      key: data.product.id,
      data,
      context: command.context,
    }));
    if (outbox && events.length > 0) await outbox.publish(tx, events);
    await complete(tx, edits, claims, verdicts);
    await note(tx, commands, verdicts);
    return commands.map((command) => verdicts.get(command) as Verdict<Outcome>);
  };
}

function decide(set: WorkingSet, command: ProductCommand): Verdict<Outcome> {
  try {
    return { ok: set.decide(command) };
  } catch (error) {
    if (isProblem(error)) return { error };
    throw error;
  }
}

/** Verdicts of the creations that are repeats; those not in the map are to be decided. */
async function claim(tx: Transaction, edits: readonly ProductCommand[]): Promise<Map<Command, Verdict<Outcome>>> {
  const creations = edits.filter((command) => command.kind === 'create');
  const states = await claimKeys(
    tx,
    creations.map((command) => command.claim),
  );
  const known = new Map<Command, Verdict<Outcome>>();
  for (const [i, command] of creations.entries()) {
    const state = states[i];
    if (state?.state === 'mismatch') known.set(command, { error: contractProblems['idempotency-key-reused']() });
    if (state?.state === 'in-flight') known.set(command, { error: contractProblems['idempotency-key-in-flight']() });
    if (state?.state === 'done') known.set(command, verdictIn(state.result as StoredResult));
  }
  return known;
}

/** A refusal is a result too: the key then means that refusal, and a new attempt needs a new key. */
type StoredResult = { readonly product: Product } | { readonly refusal: { readonly status: number } };

function verdictIn(result: StoredResult): Verdict<Outcome> {
  if ('product' in result) return { ok: { kind: 'created', product: result.product, replayed: true } };
  return { error: problemFromReply(result.refusal.status, result.refusal) };
}

async function complete(
  tx: Transaction,
  edits: readonly ProductCommand[],
  repeats: ReadonlyMap<Command, unknown>,
  verdicts: ReadonlyMap<Command, Verdict<Outcome>>,
): Promise<void> {
  const completions = [];
  for (const command of edits) {
    const verdict = verdicts.get(command);
    if (command.kind !== 'create' || repeats.has(command) || !verdict) continue;
    const result =
      'error' in verdict
        ? { refusal: (verdict.error as Problem).toJSON() }
        : { product: (verdict.ok as Outcome & { kind: 'created' }).product };
    completions.push({ scope: command.claim.scope, key: command.claim.key, result });
  }
  await completeKeys(tx, completions);
}

async function load(tx: Transaction, edits: readonly ProductCommand[]): Promise<Stored[]> {
  if (edits.length === 0) return [];
  const ids = new Set<string>();
  const slugs = new Set<string>();
  const skus = new Set<string>();
  const gtins = new Set<string>();
  for (const command of edits) {
    ids.add(command.productId);
    const input =
      command.kind !== 'edit'
        ? command.input
        : command.edit.kind === 'replace'
          ? command.edit.input
          : command.edit.kind === 'patch'
            ? command.edit.patch
            : {};
    if (input.slug !== undefined) slugs.add(input.slug);
    else if (input.name !== undefined) for (const slug of slugsFor(input.name, command.productId)) slugs.add(slug);
    for (const { sku, gtin } of input.variants ?? []) {
      skus.add(sku);
      if (gtin !== undefined) gtins.add(gtin14(gtin));
    }
  }
  const { rows } = await tx.query<ProductRow & { last_change: string }>(loadSql, [
    [...ids],
    [...slugs],
    [...skus],
    [...gtins],
  ]);
  return rows.map((row) => ({ product: productOf(row), lastChange: row.last_change }));
}

/** Everything that follows from the products changed. Statements are pipelined: one round trip for all but new words. */
async function write(tx: Transaction, set: WorkingSet): Promise<void> {
  const stored = [...set.changed.values()];
  if (stored.length === 0) return;
  const ids = stored.map(({ product }) => product.id);
  const bodies = stored.map(({ product }) => bodyIn(product));
  const documents = bodies.map(searchDocumentOf);
  const variants = bodies.flatMap((body, i) =>
    body.variants.map((variant) => ({ body, variant, id: ids[i] as string })),
  );
  const prices = documents.flatMap((document, i) =>
    Object.entries(document.prices).map(([c, a]) => [c, ids[i], a] as const),
  );
  const counts = wordCounts(set, documents, ids);

  await Promise.all([
    counts.size === 0 ? undefined : countWords(tx, counts),
    tx.query(putProductsSql, [
      ids,
      stored.map(({ product }) => product.version),
      bodies.map((body) => body.slug),
      bodies.map((body) => body.status),
      bodies.map((body) => JSON.stringify(body)),
      stored.map(({ lastChange }) => lastChange),
      stored.map(({ product }) => product.createdAt),
      stored.map(({ product }) => product.updatedAt),
    ]),
    tx.query(dropVariantsSql, [ids, variants.map(({ variant }) => variant.sku)]),
    tx.query(putVariantsSql, [
      variants.map(({ variant }) => variant.sku),
      variants.map(({ id }) => id),
      variants.map(({ variant }) => (variant.gtin === undefined ? null : gtin14(variant.gtin))),
      variants.map(({ variant }) => codeOf(variant.sku)),
      variants.map(({ variant, body }) => lineNameOf(body, variant)),
      variants.map(({ body }) => body.status === 'active'),
      variants.map(({ variant }) =>
        JSON.stringify(Object.fromEntries(variant.prices.map((p) => [p.currency, p.amountMinor]))),
      ),
    ]),
    tx.query(putSearchSql, [
      ids,
      bodies.map((body) => body.status),
      documents.map((document) => document.nameKey),
      documents.map((document) => document.document),
      documents.map((document) => JSON.stringify(document.facets)),
      documents.map((document) => JSON.stringify(document.prices)),
    ]),
    tx.query(dropPricesSql, [ids]),
    tx.query(putPricesSql, [prices.map(([c]) => c), prices.map(([, id]) => id as string), prices.map(([, , a]) => a)]),
  ]);
}

/** How many active products have gained or lost each word. */
function wordCounts(
  set: WorkingSet,
  documents: readonly { readonly vocabulary: readonly string[] }[],
  ids: readonly string[],
): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (word: string, change: number) => counts.set(word, (counts.get(word) ?? 0) + change);
  for (const [i, { vocabulary }] of documents.entries()) {
    for (const word of vocabulary) add(word, 1);
    const old = set.before.get(ids[i] as string);
    if (old) for (const word of searchDocumentOf(bodyIn(old.product)).vocabulary) add(word, -1);
  }
  for (const [word, change] of counts) if (change === 0) counts.delete(word);
  return counts;
}

async function countWords(tx: Transaction, counts: ReadonlyMap<string, number>): Promise<void> {
  const words = [...counts.keys()];
  const { rows } = await tx.query<{ word: string; fresh: boolean }>(countWordsSql, [words, [...counts.values()]]);
  const lost = words.filter((word) => (counts.get(word) as number) < 0);
  if (lost.length > 0) await tx.query(dropWordsSql, [lost]);
  const filed = rows
    .filter(({ word, fresh }) => fresh && !isCategory(word))
    .flatMap(({ word }) => formsFiled(word).map((form) => [form, word] as const));
  if (filed.length > 0) await tx.query(putFormsSql, [filed.map(([form]) => form), filed.map(([, word]) => word)]);
}

async function note(
  tx: Transaction,
  commands: readonly Command[],
  verdicts: Map<Command, Verdict<Outcome>>,
): Promise<void> {
  const notes = commands.filter((command) => command.kind === 'availability');
  if (notes.length === 0) return;
  const latest = new Map<string, AvailabilityNote>();
  for (const item of notes.flatMap((command) => command.items)) {
    if (item.version > (latest.get(item.sku)?.version ?? 0)) latest.set(item.sku, item);
  }
  const items = [...latest.values()];
  const values = [
    items.map((item) => item.sku),
    items.map((item) => item.available),
    items.map((item) => item.version),
  ];
  await tx.query(keepNotesSql, values);
  const { rows } = await tx.query<{ sku: string; product_id: string }>(noteSql, values);
  await tx.query(refreshAvailabilitySql, [[...new Set(rows.map((row) => row.product_id))]]);
  const noted = new Set(rows.map((row) => row.sku));
  for (const command of notes) {
    verdicts.set(command, { ok: { kind: 'noted', count: command.items.filter((item) => noted.has(item.sku)).length } });
  }
}
