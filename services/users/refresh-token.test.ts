import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { firstRefreshToken, parseRefreshToken, presentRefreshToken, type RefreshToken } from './refresh-token.ts';

const graceMs = 30_000;

/** Clients that refresh in any order, at any pace, some with tokens long used up. */
const moves = fc.array(fc.record({ token: fc.nat(6), pauseMs: fc.nat(40_000) }), { maxLength: 30 });

test('however tokens are presented, exactly the current and, for 30 s, the previous one are good, for one successor', () => {
  fc.assert(
    fc.property(moves, fc.nat(), (sequence, seed) => {
      const { random, ids } = createVirtualWorld({ seed });
      const first = firstRefreshToken(ids.next('ses'), random, 0);
      const given = [first.text];
      let { state } = first;
      let nowMs = 0;
      for (const { token, pauseMs } of sequence) {
        nowMs += pauseMs;
        // 0 is the current token, 1 the previous one, and so on.
        const age = Math.min(token, given.length - 1);
        const text = given[given.length - 1 - age] as string;
        const presented = presentRefreshToken(state, parseRefreshToken(text) as RefreshToken, {
          nowMs,
          graceMs,
          freshNonce: random.bytes(32),
        });
        if (age === 0) {
          if (presented.kind !== 'rotated') throw new Error(`current token: ${presented.kind}`);
          expect(given).not.toContain(presented.successor);
          given.push(presented.successor);
          state = presented.state;
        } else if (age === 1 && nowMs - state.rotatedAtMs <= graceMs) {
          expect(presented).toEqual({ kind: 'repeated', successor: given.at(-1) });
        } else {
          expect(presented).toEqual({ kind: 'reused' });
        }
      }
    }),
  );
});

test('a token with any one character changed is foreign or no token at all', () => {
  const { random, ids } = createVirtualWorld({ seed: 1 });
  const { text, state } = firstRefreshToken(ids.next('ses'), random, 0);
  for (let i = 0; i < text.length; i++) {
    const changed = `${text.slice(0, i)}${text[i] === '2' ? '3' : '2'}${text.slice(i + 1)}`;
    const token = parseRefreshToken(changed);
    if (!token) continue;
    const presented = presentRefreshToken(state, token, { nowMs: 0, graceMs, freshNonce: random.bytes(32) });
    expect(presented.kind, changed).toBe('foreign');
  }
});
