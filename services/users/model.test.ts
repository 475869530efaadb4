import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AttemptState, accountAttempts, chargeAttempt, emailKeyOf, sourceOf } from './model.ts';

const policy = accountAttempts;

test('whoever fails without end gets no more than the free attempts and then one each doubled wait', () => {
  let state: AttemptState | undefined;
  let tried = 0;
  for (let nowMs = 0; nowMs < 86_400_000; nowMs += 100) {
    const charged = chargeAttempt(state, policy, nowMs);
    if ('refusedForMs' in charged) continue;
    state = charged;
    tried += 1;
  }
  expect(tried).toBeLessThan(310);
});

test('a wait is never longer than the maximum, and waiting it out always lets the next attempt through', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4_000_000 }), { maxLength: 200 }), (pauses) => {
      let state: AttemptState | undefined;
      let nowMs = 0;
      for (const pauseMs of pauses) {
        nowMs += pauseMs;
        const charged = chargeAttempt(state, policy, nowMs);
        if ('refusedForMs' in charged) {
          expect(charged.refusedForMs).toBeLessThanOrEqual(policy.waitMsMax);
          expect('refusedForMs' in chargeAttempt(state, policy, nowMs + charged.refusedForMs)).toBe(false);
        } else state = charged;
      }
    }),
  );
});

test('a quiet hour forgets failures', () => {
  const state = { count: 40, lastAtMs: 0, blockedUntilMs: undefined };
  expect(chargeAttempt(state, policy, policy.forgetMs)).toMatchObject({ count: 1, blockedUntilMs: undefined });
});

test('a wait that a clock gave out before it was set back a day is over', () => {
  const state = { count: 40, lastAtMs: 86_400_000, blockedUntilMs: 86_400_000 + policy.waitMsMax };
  expect(chargeAttempt(state, policy, 1_000)).toMatchObject({ blockedUntilMs: 1_000 + policy.waitMsMax });
});

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['inside', 'inside'],
])('attempts from %s count for %s', (address, source) => {
  expect(sourceOf(address)).toBe(source);
});

test('e-mails that differ in case or Unicode form alone are the same', () => {
  expect(emailKeyOf('ZOË@Example.ORG')).toBe(emailKeyOf('zoe\u0308@example.org'));
});
