import { exitCodes, Failure } from '../failure.ts';

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `10m`, `1h`, `2d`: so long ago. An RFC 3339 time is that time. Milliseconds since 1970. */
export function parseSince(text: string, nowMs: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return nowMs - Number(count) * (unitMs[unit] ?? 0);
  const atMs = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return atMs;
  throw new Failure(exitCodes.usage, `"${text}" is no time: give 90s, 10m, 1h, 2d, or 2026-01-31T12:00:00Z.`);
}
