import type { Product, ProductInput, ProductPatch } from '#contracts/products';
import type { CallContext } from '#kit/contract';
import type { Claim } from '#kit/idempotency';

/**
 * What the batch writer is given. A batch may be applied again after a lost connection, so each change carries an id
 * made by the handler: a product whose last change has this id has already been changed by it.
 */
export type Command =
  | {
      readonly kind: 'create';
      readonly changeId: string;
      readonly productId: string;
      readonly input: ProductInput;
      readonly claim: Claim;
      readonly context: CallContext;
    }
  | {
      readonly kind: 'edit';
      readonly changeId: string;
      readonly productId: string;
      readonly edit: Edit;
      readonly context: CallContext;
    }
  | {
      readonly kind: 'upsert';
      readonly changeId: string;
      /** The id that the product gets if it is new. */
      readonly productId: string;
      readonly input: ProductInput;
      readonly context: CallContext;
    }
  | { readonly kind: 'availability'; readonly items: readonly AvailabilityNote[] };

export type Edit =
  | { readonly kind: 'replace'; readonly input: ProductInput }
  | { readonly kind: 'patch'; readonly patch: ProductPatch }
  | { readonly kind: 'archive' };

export interface AvailabilityNote {
  readonly sku: string;
  readonly available: boolean;
  readonly version: number;
}

export type Outcome =
  | { readonly kind: 'created' | 'changed' | 'unchanged'; readonly product: Product; readonly replayed?: boolean }
  | { readonly kind: 'noted'; readonly count: number };
