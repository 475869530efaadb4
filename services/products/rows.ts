import type { Product } from '#contracts/products';
import type { ProductBody } from './model.ts';

export interface ProductRow {
  readonly id: string;
  readonly version: number;
  readonly body: ProductBody;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export function productOf(row: ProductRow): Product {
  return {
    id: row.id,
    version: row.version,
    ...row.body,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
