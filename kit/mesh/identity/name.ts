/**
 * The name of a process in its certificate, in the form of a SPIFFE id (spiffe.io): which process it is, where, and
 * which services it runs, so that nobody has to believe a registry or a header about that.
 *
 *     spiffe://holdfast/region/local/cell/main/process/orders-2/runs/orders
 */
export interface ProcessName {
  readonly region: string;
  readonly cell: string;
  /** `orders-2`, unique in its cell. */
  readonly process: string;
  /** What it runs. */
  readonly services: readonly string[];
}

const scheme = 'spiffe://holdfast/';
const part = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export function formatName({ region, cell, process, services }: ProcessName): string {
  for (const word of [region, cell, process, ...services]) {
    if (!part.test(word)) throw new Error(`"${word}" can't be part of the name of a process: use a-z, 0-9, . _ -`);
  }
  return `${scheme}region/${region}/cell/${cell}/process/${process}/runs/${services.join('/')}`;
}

/** Undefined for anything that is no such name. */
export function parseName(uri: string): ProcessName | undefined {
  if (!uri.startsWith(scheme)) return undefined;
  const words = uri.slice(scheme.length).split('/');
  const [a, region, b, cell, c, process, d, ...services] = words;
  if (a !== 'region' || b !== 'cell' || c !== 'process' || d !== 'runs') return undefined;
  if (!region || !cell || !process || services.length === 0) return undefined;
  if (![region, cell, process, ...services].every((word) => part.test(word))) return undefined;
  return { region, cell, process, services };
}
