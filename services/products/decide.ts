import { type Product, type ProductEvent, type ProductEventType, productsProblems } from '#contracts/products';
import { checkIfMatch } from '#kit/contract';
import type { Command, Edit, Outcome } from './commands.ts';
import { gtin14 } from './gtin.ts';
import { bodyIn, bodyOf, etagOf, type ProductBody, patched, sameBody, slugsFor } from './model.ts';

/** A product and the id of the change that made it what it is. */
export interface Stored {
  readonly product: Product;
  readonly lastChange: string;
}

export interface Happened {
  readonly type: ProductEventType;
  readonly data: ProductEvent;
  readonly command: ProductCommand;
}

export type ProductCommand = Exclude<Command, { kind: 'availability' }>;

/**
 * The part of the catalogue that a batch touches, as its commands are decided one after the other: each sees what those
 * before it in the batch have done. Holds every product that owns an id, slug, SKU or GTIN that a command names.
 */
export interface WorkingSet {
  /** Throws the problem that the command is refused with; nothing has then changed. */
  decide(command: ProductCommand): Outcome;
  /** Products made or changed, as they are to be stored. */
  readonly changed: ReadonlyMap<string, Stored>;
  /** Products as they were loaded. */
  readonly before: ReadonlyMap<string, Stored>;
  readonly happened: readonly Happened[];
}

export function createWorkingSet(loaded: readonly Stored[], nowIso: string): WorkingSet {
  const before = new Map(loaded.map((stored) => [stored.product.id, stored]));
  const current = new Map(before);
  const changed = new Map<string, Stored>();
  const happened: Happened[] = [];
  const owners = createOwners();
  for (const { product } of loaded) owners.add(product);

  function decide(command: ProductCommand): Outcome {
    if (command.kind === 'create') return create(command);
    if (command.kind === 'edit') return edit(command);
    const owner = owners.ofInput(command.input);
    const target = owner === undefined ? undefined : current.get(owner);
    // Lines without a slug keep the one that the product has: the name may change without breaking links.
    if (target) return put(command, target, bodyOf(command.input, target.product.slug));
    return create(command);
  }

  function create(command: ProductCommand & { kind: 'create' | 'upsert' }): Outcome {
    const { input, productId, changeId } = command;
    const [slug, slugElse] = slugsFor(input.name, productId);
    const body = bodyOf(input, owners.has('slug', slug) ? slugElse : slug);
    owners.check(body, productId);
    const product: Product = { id: productId, version: 1, ...body, createdAt: nowIso, updatedAt: nowIso };
    keep({ product, lastChange: changeId });
    happened.push({ type: 'product.created', data: { product }, command });
    return { kind: 'created', product };
  }

  function edit(command: ProductCommand & { kind: 'edit' }): Outcome {
    const target = current.get(command.productId);
    if (!target) throw productsProblems['not-found']({ detail: `there is no ${command.productId}` });
    // The commit that seemed lost was not: this very change is in.
    if (target.lastChange === command.changeId) return { kind: 'changed', product: target.product };
    checkIfMatch(command.context, etagOf(target.product));
    return put(command, target, edited(target.product, command.edit));
  }

  function put(command: ProductCommand, target: Stored, body: ProductBody): Outcome {
    const { product: old } = target;
    if (target.lastChange === command.changeId) {
      return { kind: old.version === 1 ? 'created' : 'changed', product: old };
    }
    if (sameBody(bodyIn(old), body)) return { kind: 'unchanged', product: old };
    owners.check(body, old.id);
    owners.remove(old);
    const { id, createdAt } = old;
    const product: Product = { id, version: old.version + 1, ...body, createdAt, updatedAt: nowIso };
    keep({ product, lastChange: command.changeId });
    const archived = product.status === 'archived' && old.status !== 'archived';
    happened.push({
      type: archived ? 'product.archived' : 'product.changed',
      data: { product, statusBefore: old.status },
      command,
    });
    return { kind: 'changed', product };
  }

  function keep(stored: Stored): void {
    current.set(stored.product.id, stored);
    changed.set(stored.product.id, stored);
    owners.add(stored.product);
  }

  return { decide, changed, before, happened };
}

function edited(product: Product, edit: Edit): ProductBody {
  if (edit.kind === 'replace') return bodyOf(edit.input, product.slug);
  const patch = edit.kind === 'patch' ? edit.patch : { status: 'archived' as const };
  return bodyOf(patched(product, patch), product.slug);
}

type Name = 'slug' | 'sku' | 'gtin';

/** Who owns which slug, SKU and GTIN. */
function createOwners() {
  const owners: Record<Name, Map<string, string>> = { slug: new Map(), sku: new Map(), gtin: new Map() };

  function* namesOf(body: ProductBody): Iterable<readonly [Name, string]> {
    yield ['slug', body.slug];
    for (const { sku, gtin } of body.variants) {
      yield ['sku', sku];
      if (gtin !== undefined) yield ['gtin', gtin14(gtin)];
    }
  }

  return {
    has: (name: Name, value: string) => owners[name].has(value),
    add(product: Product): void {
      for (const [name, value] of namesOf(product)) owners[name].set(value, product.id);
    },
    remove(product: Product): void {
      for (const [name, value] of namesOf(product)) owners[name].delete(value);
    },
    check(body: ProductBody, productId: string): void {
      for (const [name, value] of namesOf(body)) {
        const owner = owners[name].get(value);
        if (owner === undefined || owner === productId) continue;
        throw productsProblems[`${name}-taken`]({
          detail: `${name} ${value} belongs to ${owner}`,
          data: { productId: owner },
        });
      }
    },
    /** The product that a line of import means: by its slug, else by its SKUs. */
    ofInput(input: {
      readonly slug?: string;
      readonly variants: readonly { readonly sku: string }[];
    }): string | undefined {
      const named = input.slug === undefined ? undefined : owners.slug.get(input.slug);
      if (named !== undefined) return named;
      const found = new Set<string>();
      for (const { sku } of input.variants) {
        const owner = owners.sku.get(sku);
        if (owner !== undefined) found.add(owner);
      }
      if (found.size > 1)
        throw productsProblems['ambiguous-line']({ detail: `they belong to ${[...found].join(', ')}` });
      const [owner] = found;
      return owner;
    },
  };
}
