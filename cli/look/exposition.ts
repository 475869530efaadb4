/** One number of a page for Prometheus. */
export interface Point {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All numbers of a page, by their names. */
export type Exposition = ReadonlyMap<string, readonly Point[]>;

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Reads Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats). What is no number is left out. */
export function parseExposition(text: string): Exposition {
  const points = new Map<string, Point[]>();
  for (const each of text.split('\n')) {
    if (each.startsWith('#')) continue;
    const [, name, labels = '', number = ''] = line.exec(each) ?? [];
    const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
    if (name === undefined || Number.isNaN(value)) continue;
    const known = points.get(name) ?? [];
    known.push({ labels: labelsOf(labels), value });
    points.set(name, known);
  }
  return points;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', '"': '"', '\\': '\\' };

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(label)) {
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => escapes[escaped] ?? escaped);
  }
  return labels;
}

/** Sum of the series of a metric whose labels fit; undefined where there is none. */
export function sumOf(page: Exposition, name: string, fits: (labels: Point['labels']) => boolean): number | undefined {
  const found = page.get(name)?.filter(({ labels }) => fits(labels)) ?? [];
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** Bucket of a histogram: how many were at most `le`, in the unit of the metric. */
export interface Bucket {
  readonly le: number;
  readonly count: number;
}

/** Cumulated buckets of the series that fit, added up, the smallest bound first. */
export function bucketsOf(page: Exposition, name: string, fits: (labels: Point['labels']) => boolean): Bucket[] {
  const byBound = new Map<number, number>();
  for (const { labels, value } of page.get(`${name}_bucket`) ?? []) {
    if (!fits(labels)) continue;
    const le = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']);
    byBound.set(le, (byBound.get(le) ?? 0) + value);
  }
  return [...byBound].map(([le, count]) => ({ le, count })).sort((a, b) => a.le - b.le);
}

/**
 * The value below which this share lies, as PromQL's histogram_quantile estimates it: evenly spread within a bucket; of what is
 * beyond the last bound, that bound. Undefined where nothing was counted.
 */
export function quantileOf(buckets: readonly Bucket[], share: number): number | undefined {
  const total = buckets.at(-1)?.count ?? 0;
  if (total <= 0) return undefined;
  const rank = share * total;
  let below: Bucket = { le: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= rank) {
      if (bucket.le === Number.POSITIVE_INFINITY) return below.le;
      const width = bucket.count - below.count;
      return width === 0 ? bucket.le : below.le + ((bucket.le - below.le) * (rank - below.count)) / width;
    }
    below = bucket;
  }
  return below.le;
}
