const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** `60s`, `10m`, `1h`; NaN when it is none. */
export function parseDuration(text: string): number {
  const match = /^(\d+)([smh])$/.exec(text);
  return match ? Number(match[1]) * (unitsMs[match[2] as string] as number) : Number.NaN;
}
