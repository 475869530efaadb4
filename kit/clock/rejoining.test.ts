import { expect, test } from 'vitest';
import { createHybridClock, createRejoiningClock, createTextClock, formatTimestamp, parseTimestamp } from './index.ts';

const baseMs = 1_800_000_000_000;
const hourMs = 3_600_000;

function movable() {
  let wallMs = baseMs;
  const alarms: object[] = [];
  const options = { clock: { now: () => wallMs, monotonicMs: () => wallMs }, onAlarm: (it: object) => alarms.push(it) };
  return {
    ...options,
    alarms,
    set(ms: number) {
      wallMs = ms;
    },
  };
}

const msOf = (stamp: string) => parseTimestamp(stamp).wallMs;
const at = (wallMs: number) => formatTimestamp({ wallMs, counter: 0 });

test('a clock whose time ran ahead and was put right goes on at its peers’ time once it hears of it', () => {
  const ours = movable();
  const clock = createRejoiningClock(ours);
  const peer = createTextClock(createHybridClock({ clock: { now: () => baseMs, monotonicMs: () => 0 } }));
  ours.set(baseMs + hourMs);
  clock.tick();
  ours.set(baseMs);
  expect(() => peer.receive(clock.tick())).toThrow(`${hourMs} ms ahead`);
  expect(msOf(clock.receive(peer.tick()))).toBe(baseMs);
  expect(msOf(peer.receive(clock.tick()))).toBe(baseMs);
  expect(ours.alarms).toContainEqual({ kind: 'rejoined', leadMs: hourMs });
});

test('that is needed: without it the process is refused for the hour', () => {
  const ours = movable();
  const clock = createTextClock(createHybridClock(ours));
  ours.set(baseMs + hourMs);
  clock.tick();
  ours.set(baseMs);
  expect(msOf(clock.receive(at(baseMs)))).toBe(baseMs + hourMs);
});

test('a clock that is set back wrongly stays with its peers', () => {
  const ours = movable();
  const clock = createRejoiningClock(ours);
  clock.tick();
  ours.set(baseMs - hourMs);
  expect(msOf(clock.receive(at(baseMs + 1)))).toBe(baseMs + 1);
  // A message that was long on its way says nothing either.
  expect(msOf(clock.receive(at(baseMs - 2 * hourMs)))).toBe(baseMs + 1);
  expect(ours.alarms).not.toContainEqual(expect.objectContaining({ kind: 'rejoined' }));
});

test('a lead of some seconds is waited out, in order', () => {
  const ours = movable();
  const clock = createRejoiningClock(ours);
  clock.tick();
  ours.set(baseMs - 10_000);
  expect(msOf(clock.receive(at(baseMs - 10_000)))).toBe(baseMs);
});

test('what follows from a fact stamped before comes after it all the same', () => {
  const ours = movable();
  const clock = createRejoiningClock(ours);
  ours.set(baseMs + hourMs);
  const fact = clock.tick();
  ours.set(baseMs);
  clock.receive(at(baseMs));
  expect(clock.tick(fact) > fact).toBe(true);
  expect(msOf(clock.tick())).toBe(baseMs);
});
