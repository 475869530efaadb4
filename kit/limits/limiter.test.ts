import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld, seededRandom } from '#kit/runtime';
import { createLimiter, createLimitHeaders, type Rate } from './index.ts';

const rate = { quota: 1_000 };
function limiterOf(policies: Record<string, Rate> = { user: rate }, table = {}, instances = () => 1) {
  const world = createVirtualWorld({ seed: 1 });
  return { world, limiter: createLimiter({ ...world, policies, table, instances }) };
}
const passed = (count: number, check: () => { allowed: boolean }) =>
  Array.from({ length: count }, check).filter(({ allowed }) => allowed).length;

test('who has rested may have the burst at once, and then what the rate gives', async () => {
  const { world, limiter } = limiterOf();
  expect(passed(1_500, () => limiter.check('user', 'usr_1'))).toBe(1_000);
  await world.advance(100);
  expect(passed(500, () => limiter.check('user', 'usr_1'))).toBe(100);
  expect(limiter.check('user', 'usr_2')).toEqual({ allowed: true, remaining: 999, resetMs: 1, retryAfterMs: 0 });
});

test('the verdict says when to come back, and that is right to the millisecond', async () => {
  const { world, limiter } = limiterOf({ slow: { quota: 10, burst: 2 } });
  for (const _ of [1, 2]) limiter.check('slow', 'a');
  const { retryAfterMs } = limiter.check('slow', 'a');
  expect(retryAfterMs).toBeCloseTo(100, 3);
  await world.advance(99);
  expect(limiter.look('slow', 'a').remaining).toBe(0);
  expect(limiter.check('slow', 'a').allowed).toBe(false);
  await world.advance(1);
  expect(limiter.check('slow', 'a').allowed).toBe(true);
});

test('policies do not share keys, a look spends nothing, a cost spends more', () => {
  const { limiter } = limiterOf({ user: { quota: 10 }, address: { quota: 10 } });
  for (const _ of [1, 2]) expect(limiter.look('user', 'a').remaining).toBe(9);
  expect(limiter.check('user', 'a', 10).remaining).toBe(0);
  expect(limiter.look('user', 'a').allowed).toBe(false);
  expect(limiter.check('user', 'a').allowed).toBe(false);
  expect(limiter.check('address', 'a').remaining).toBe(9);
  expect(() => limiter.check('other' as 'user', 'a')).toThrow('there is no policy other');
});

test('law: in any stretch of time at most burst + time · rate passes, and a refused request may pass when told', () => {
  fc.assert(
    fc.property(
      fc.record({ quota: fc.integer({ min: 1, max: 500 }), burst: fc.integer({ min: 1, max: 50 }) }),
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 }),
      (one, gaps) => {
        let nowMs = 0;
        const clock = { now: () => nowMs, monotonicMs: () => nowMs };
        const limiter = createLimiter({ clock, random: seededRandom(1), policies: { one } });
        const allowedAt: number[] = [];
        for (const gapMs of gaps) {
          nowMs += gapMs;
          const { allowed, retryAfterMs } = limiter.check('one', 'k');
          if (allowed) allowedAt.push(nowMs);
          else expect(retryAfterMs).toBeGreaterThan(0);
        }
        for (const [from, startMs] of allowedAt.entries()) {
          for (const [to, endMs] of allowedAt.slice(from).entries()) {
            const most = one.burst + ((endMs - startMs) * one.quota) / 1_000;
            expect(to + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
        const { retryAfterMs } = limiter.look('one', 'k');
        nowMs += retryAfterMs;
        expect(limiter.look('one', 'k').allowed).toBe(true);
      },
    ),
  );
});

test('of several limiters that divide an allowance all together let it pass once', () => {
  const two = [limiterOf({ user: rate }, {}, () => 2), limiterOf({ user: rate }, {}, () => 2)];
  for (const { limiter } of two) expect(passed(2_000, () => limiter.check('user', 'a'))).toBe(500);
});

test('300,000 keys that spend at once are told apart, in at most 64 bytes each', () => {
  const { limiter } = limiterOf({ user: { quota: 2 } });
  const keys = Array.from({ length: 300_000 }, (_, i) => `usr_${i}`);
  for (const key of keys) if (limiter.check('user', key).remaining !== 1) throw new Error(`${key} was not new`);
  for (const key of keys) if (limiter.check('user', key).remaining !== 0) throw new Error(`${key} was forgotten`);
  expect(limiter.forgotten).toBe(0);
  expect(limiter.sizeBytes / keys.length).toBeLessThan(64);
});

test('a full table forgets who has spent least, never more than its bound', async () => {
  const { world, limiter } = limiterOf({ user: { quota: 100 } }, { slots: 64, slotsMax: 64 });
  limiter.check('user', 'heavy', 100);
  for (let i = 0; i < 10_000; i++) limiter.check('user', `usr_${i}`);
  expect(limiter.check('user', 'heavy').allowed).toBe(false);
  expect(limiter.sizeBytes).toBe(64 * 16);
  expect(limiter.forgotten).toBeGreaterThan(9_000);
  await world.advance(1_000);
  const before = limiter.forgotten;
  for (let i = 0; i < 8; i++) limiter.check('user', `new_${i}`);
  expect(limiter.forgotten).toBe(before);
});

test('headers name the policy as the draft wants', () => {
  const { limiter } = limiterOf({ user: rate, minute: { quota: 60, periodSec: 60 } });
  const headers = createLimitHeaders(limiter, ['user', 'minute']);
  expect(headers.of('minute', limiter.check('minute', 'a', 59))).toEqual({
    'ratelimit-policy': '"minute";q=60;w=60',
    ratelimit: '"minute";r=1;t=59',
  });
});

test('rates that make no sense are refused when they are given', () => {
  for (const wrong of [{ quota: 0 }, { quota: 1, periodSec: 0 }, { quota: 1, burst: 0 }, { quota: Number.NaN }]) {
    expect(() => limiterOf({ wrong })).toThrow('limits: policy wrong needs');
  }
});
