import { join } from 'node:path';
import type { Plugin } from 'vite';

/**
 * Contracts for browsers. An app imports a contract as everybody else does, with all its types:
 *
 *     import { products } from '#contracts/products';
 *
 * but its schemas, and the library that makes them, are of no use in a browser. So the contract is read here, in Node,
 * and what reaches the bundle is what a caller needs of each operation that has a public door: method, path, and how to
 * call it. No URL is ever written by hand. Lists of words come along; a module of nothing but functions (how totals are
 * computed) is taken as it is.
 */
export function contractTables(): Plugin {
  const mark = '\0contract:';
  return {
    name: 'holdfast-contracts',
    enforce: 'pre',
    resolveId(id) {
      return id.startsWith('#contracts/') ? `${mark}${id.slice('#contracts/'.length)}` : undefined;
    },
    async load(id) {
      if (!id.startsWith(mark)) return undefined;
      const module = id.slice(mark.length);
      const exported: Record<string, unknown> = await import(`#contracts/${module}`);
      const values = Object.entries(exported);
      if (values.length > 0 && values.every(([, value]) => typeof value === 'function')) {
        return `export * from ${JSON.stringify(join(import.meta.dirname, '../../contracts', `${module}.ts`))};`;
      }
      const tables = values.flatMap(([name, value]) => {
        const known = isContract(value) ? tableOf(value) : isWords(value) ? value : undefined;
        return known === undefined ? [] : [`export const ${name} = ${JSON.stringify(known)};`];
      });
      return tables.join('\n');
    },
  };
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly access: readonly string[];
  readonly stream?: string;
  readonly idempotency?: string;
  readonly deadlineMs?: number;
}

interface Contract {
  readonly service: string;
  readonly operations: Readonly<Record<string, Operation>>;
}

function isContract(value: unknown): value is Contract {
  return typeof value === 'object' && value !== null && 'service' in value && 'operations' in value;
}

const isWords = (value: unknown): boolean => Array.isArray(value) && value.every((word) => typeof word === 'string');

/** Operations for services alone have no door, so nobody in a browser needs to know of them. */
function tableOf({ service, operations }: Contract): unknown {
  const open = Object.entries(operations).filter(([, { access }]) => access.some((who) => who !== 'service'));
  return {
    service,
    operations: Object.fromEntries(
      open.map(([name, { method, path, access, stream, idempotency, deadlineMs }]) => [
        name,
        { method, path, access, stream, idempotency, deadlineMs },
      ]),
    ),
  };
}
