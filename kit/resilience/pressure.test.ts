import { expect, test } from 'vitest';
import { seededRandom, type Timers } from '#kit/runtime';
import type { Priority } from './limit.ts';
import { createPressure } from './pressure.ts';

/** A process whose timers are as late as it is told. */
function busy() {
  let nowMs = 0;
  let lateMs = 0;
  let due: { readonly atMs: number; readonly task: () => void } | undefined;
  const after = (delayMs: number, task: () => void) => {
    due = { atMs: nowMs + delayMs, task };
    return () => {
      due = undefined;
    };
  };
  const clock = { now: () => nowMs, monotonicMs: () => nowMs };
  const pressure = createPressure({ clock, timers: { after } as unknown as Timers, random: seededRandom(1, 'busy') });
  pressure.start();
  return {
    pressure,
    beats(count: number, late: number) {
      lateMs = late;
      for (let i = 0; i < count && due; i++) {
        nowMs = due.atMs + lateMs;
        due.task();
      }
    },
    shareOf(priority: Priority) {
      let taken = 0;
      for (let i = 0; i < 2_000; i++) if (pressure.admits(priority)) taken += 1;
      return taken / 2_000;
    },
  };
}

test('while timers are in time everything is taken, also after a pause of the machine', () => {
  const { beats, shareOf, pressure } = busy();
  beats(100, 30);
  expect([shareOf('low'), shareOf('normal'), shareOf('critical')]).toEqual([1, 1, 1]);
  beats(1, 60_000);
  expect(pressure.level).toBeLessThan(0.3);
  beats(10, 5);
  expect(pressure.level).toBe(0);
});

test('when they are late, what matters least is refused first, and everything is taken again afterwards', () => {
  const { beats, shareOf } = busy();
  beats(3, 150);
  expect(shareOf('low')).toBeLessThan(0.7);
  expect(shareOf('normal')).toBe(1);
  beats(4, 150);
  expect(shareOf('low')).toBe(0);
  expect(shareOf('normal')).toBeLessThan(0.7);
  expect(shareOf('critical')).toBe(1);
  beats(60, 0);
  expect(shareOf('low')).toBe(1);
});

test('a checkout is refused only when refusing all the rest does not help, by far', () => {
  const { beats, shareOf, pressure } = busy();
  beats(100, 300);
  expect(pressure.level).toBeLessThan(2.3);
  expect(shareOf('critical')).toBeGreaterThan(0.7);
  beats(100, 2_000);
  expect(shareOf('critical')).toBeLessThan(0.05);
});
