import type { Plugin } from 'vite';

/**
 * Contracts for browsers. An app imports a contract as everybody else does, with all its types:
 *
 *     import { products } from '#contracts/products';
 *
 * but its schemas, and the library that makes them, are of no use in a browser. So the contract is read here, in Node,
 * and what reaches the bundle is what a caller needs of each operation that has a public door: method, path, and how to
 * call it. No URL is ever written by hand.
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
      const exported: Record<string, unknown> = await import(`#contracts/${id.slice(mark.length)}`);
      const tables = Object.entries(exported).flatMap(([name, value]) =>
        isContract(value) ? [`export const ${name} = ${JSON.stringify(tableOf(value))};`] : [],
      );
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
