import type { ImportReply, ProductInput } from '#contracts/products';
import { contractProblems, headerNames, type ServiceServer } from '#kit/contract';
import type { Reply } from '#kit/runtime';
import { seedCatalogue } from './seed-data.ts';

export type SeedReport = Pick<ImportReply, 'created' | 'changed' | 'unchanged'>;

export interface SeedOptions {
  /** Brings products that people have edited since back to what the seed says. Default false: they are left alone. */
  readonly overwrite?: boolean;
}

/**
 * Puts the house's own catalogue into the shop through the service itself, as staff would. Run again, or by several
 * processes at once, it changes nothing.
 */
export async function seedProducts(
  server: ServiceServer,
  { overwrite = false }: SeedOptions = {},
): Promise<SeedReport> {
  const call = (operation: string, params: Record<string, string>, body?: unknown): Promise<Reply> =>
    server.handle(
      {
        service: 'products',
        operation,
        params,
        query: {},
        headers: { [headerNames.caller]: 'service:seed', [headerNames.correlationId]: 'seed' },
        ...(body === undefined ? {} : { body }),
      },
      new AbortController().signal,
    );

  const wanted: ProductInput[] = [];
  for (const product of seedCatalogue) {
    const known = overwrite ? undefined : await call('get', { idOrSlug: product.slug as string });
    if (known?.status !== 200) wanted.push(product);
  }
  const reply = await call('import', {}, linesOf(wanted));
  const report = reply.body as ImportReply;
  if (reply.status !== 200 || report.rejected > 0) {
    throw contractProblems.internal({ detail: `the seed catalogue was not taken: ${JSON.stringify(reply.body)}` });
  }
  return {
    created: report.created,
    changed: report.changed,
    unchanged: report.unchanged + seedCatalogue.length - wanted.length,
  };
}

async function* linesOf(products: readonly ProductInput[]): AsyncGenerator<ProductInput> {
  yield* products;
}
