/** Counts by name: faults injected, checks made. */
export interface Counters {
  add(name: string, amount?: number): void;
  readonly counts: ReadonlyMap<string, number>;
}

export function createCounters(): Counters {
  const counts = new Map<string, number>();
  return {
    add: (name, amount = 1) => void counts.set(name, (counts.get(name) ?? 0) + amount),
    counts,
  };
}

export type Counts = Readonly<Record<string, number>>;

export function addCounts(one: Counts, other: Counts): Counts {
  const sum: Record<string, number> = { ...one };
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
