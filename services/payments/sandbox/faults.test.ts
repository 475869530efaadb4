import { expect, test } from 'vitest';
import { seededRandom } from '#kit/runtime';
import { createFaults } from './faults.ts';

test('the same seed, faults and calls give the same strikes; another seed gives others', () => {
  const strikes = (seed: number) => {
    const faults = createFaults(seededRandom(seed));
    faults.set([
      { do: 'drop-reply', probability: 0.3 },
      { do: 'decline', code: 'generic_decline', probability: 0.2 },
    ]);
    return Array.from({ length: 200 }, () => faults.draw('create'));
  };
  expect(strikes(1)).toEqual(strikes(1));
  expect(strikes(1)).not.toEqual(strikes(2));
  const dropped = strikes(1).filter((strike) => strike?.dropReply).length;
  expect(dropped).toBeGreaterThan(35);
  expect(dropped).toBeLessThan(90);
});

test('a fault strikes only the calls it names, as often as it says, and reads only when asked to', () => {
  const faults = createFaults(seededRandom(1));
  faults.set([
    { do: 'stall', ms: 5, at: 'after', on: 'capture', next: 2 },
    { do: 'error', status: 500, at: 'before' },
  ]);
  expect(faults.draw('read')).toBeUndefined();
  expect(faults.draw('create')).toMatchObject({ errorBefore: 500, stallAfterMs: 0 });
  expect(faults.draw('capture')).toMatchObject({ errorBefore: 500, stallAfterMs: 5 });
  faults.draw('capture');
  expect(faults.draw('capture')).toMatchObject({ stallAfterMs: 0 });
  expect(faults.current()).toEqual([{ do: 'error', status: 500, at: 'before' }]);
});

test.each([
  [[{ do: 'stall', at: 'before' }]],
  [[{ do: 'error', status: 400, at: 'before' }]],
  [[{ do: 'drop-reply', probability: 2 }]],
  [[{ do: 'drop-reply', colour: 'red' }]],
  ['drop-reply'],
  [Array.from({ length: 101 }, () => ({ do: 'drop-reply' }))],
])('what is not a fault is refused, and the faults in force stay: %j', (wrong) => {
  const faults = createFaults(seededRandom(1));
  faults.set([{ do: 'drop-request' }]);
  expect(() => faults.set(wrong as never)).toThrow(/^sandbox faults: /);
  expect(faults.current()).toEqual([{ do: 'drop-request' }]);
});
