import { expect, test } from 'vitest';
import { createLimitHeaders } from './headers.ts';

test('a second that is a fraction of a microsecond longer than one is told as one', () => {
  const limiter = { rateOf: () => ({ quota: 3, periodSec: 60 }) } as unknown as Parameters<
    typeof createLimitHeaders
  >[0];
  const headers = createLimitHeaders(limiter, ['user']);
  const told = (resetMs: number) =>
    headers.of('user', { remaining: 2, resetMs } as Parameters<typeof headers.of>[1])['ratelimit'];
  expect(told(20_000.000_000_003_7)).toBe('"user";r=2;t=20');
  expect(told(20_001)).toBe('"user";r=2;t=21');
});
