import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Clock } from '#kit/runtime';
import {
  type ClockAlarm,
  ClockFormatError,
  ClockSkewError,
  compareTimestamps,
  createHybridClock,
  createLamportClock,
  createTextClock,
  formatTimestamp,
  type HybridClock,
  type HybridTimestamp,
  parseTimestamp,
} from './index.ts';

const baseMs = Date.UTC(2030, 0, 1);
const skewMsMax = 500;
const nodeCount = 4;

/** A physical clock that a test moves. */
function movableClock(startMs = baseMs) {
  let wallMs = startMs;
  let elapsedMs = 0;
  let reachedMs = startMs;
  const clock: Clock = { now: () => wallMs, monotonicMs: () => elapsedMs };
  return {
    clock,
    /** What it would show, had it never been set back. */
    reachedMs: () => reachedMs,
    pass(ms: number) {
      wallMs += ms;
      elapsedMs += ms;
      reachedMs += ms;
    },
    set(ms: number) {
      wallMs = ms;
      reachedMs = Math.max(reachedMs, ms);
    },
  };
}

type Step =
  | { readonly kind: 'local'; readonly node: number }
  | { readonly kind: 'message'; readonly from: number; readonly to: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'jump'; readonly node: number; readonly byMs: number };

const node = fc.nat(nodeCount - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('local' as const), node }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('message' as const), from: node, to: node }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('jump' as const), node, byMs: fc.integer({ min: -2_000, max: 2_000 }) }),
  },
);

interface Stamped<T> {
  readonly node: number;
  readonly stamp: T;
  /** Events of each node that this one may have been caused by: the truth, as a vector clock. */
  readonly causes: readonly number[];
}

interface StampingClock<T> {
  tick(): T;
  /** Undefined when the message was refused. */
  receive(remote: T): T | undefined;
}

/** Plays a schedule on clocks of one kind and gives every event with its stamp and its true causes. */
function play<T>(steps: readonly Step[], createClock: (clock: Clock, node: number) => StampingClock<T>): Stamped<T>[] {
  const physical = Array.from({ length: nodeCount }, (_, i) => movableClock(baseMs + i * 100));
  const clocks = physical.map(({ clock }, i) => createClock(clock, i));
  const seen = clocks.map(() => new Array<number>(nodeCount).fill(0));
  const events: Stamped<T>[] = [];
  const record = (at: number, stamp: T, causes: readonly number[] = []) => {
    const vector = seen[at] as number[];
    for (const [i, count] of causes.entries()) vector[i] = Math.max(vector[i] as number, count);
    vector[at] = (vector[at] as number) + 1;
    const event = { node: at, stamp, causes: [...vector] };
    events.push(event);
    return event;
  };
  for (const s of steps) {
    if (s.kind === 'pass') for (const p of physical) p.pass(s.ms);
    else if (s.kind === 'jump') physical[s.node]?.set((physical[s.node]?.clock.now() ?? 0) + s.byMs);
    else if (s.kind === 'local') record(s.node, (clocks[s.node] as StampingClock<T>).tick());
    else {
      const sent = record(s.from, (clocks[s.from] as StampingClock<T>).tick());
      const received = (clocks[s.to] as StampingClock<T>).receive(sent.stamp);
      if (received !== undefined) record(s.to, received, sent.causes);
    }
  }
  return events;
}

/** The first pair in which a cause is not stamped less than its effect. */
function causalityViolation<T>(events: readonly Stamped<T>[], compare: (a: T, b: T) => number) {
  for (const effect of events) {
    for (const cause of events) {
      if (cause === effect) continue;
      const isCause = (cause.causes[cause.node] as number) <= (effect.causes[cause.node] as number);
      if (isCause && compare(cause.stamp, effect.stamp) >= 0) return { cause, effect };
    }
  }
  return undefined;
}

function hybrid(clock: Clock, alarms: ClockAlarm[] = []): StampingClock<HybridTimestamp> {
  const hlc = createHybridClock({ clock, skewMsMax, onAlarm: (alarm) => alarms.push(alarm) });
  return {
    tick: hlc.tick,
    receive(remote) {
      const before = hlc.latest;
      try {
        return hlc.receive(remote);
      } catch (error) {
        expect(error).toBeInstanceOf(ClockSkewError);
        expect(remote.wallMs - clock.now()).toBeGreaterThan(skewMsMax);
        expect(hlc.latest).toEqual(before);
        expect(alarms.at(-1)?.kind).toBe('remote-ahead');
        return undefined;
      }
    },
  };
}

const schedules = fc.array(step, { maxLength: 120 });

test('hybrid clock: a cause is less than its effect, whatever physical clocks do', () => {
  fc.assert(
    fc.property(schedules, (steps) => {
      const events = play(steps, (clock) => hybrid(clock));
      expect(causalityViolation(events, compareTimestamps)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

test('the causality check fails for wall clocks', () => {
  // Node 3's clock is 300 ms ahead of node 0's.
  const steps: Step[] = [{ kind: 'message', from: 3, to: 0 }];
  const events = play(steps, (clock) => ({ tick: clock.now, receive: clock.now }));
  expect(causalityViolation(events, (a, b) => a - b)).toMatchObject({ cause: { node: 3 }, effect: { node: 0 } });
});

test('Lamport clock: a cause is less than its effect', () => {
  fc.assert(
    fc.property(schedules, (steps) => {
      const events = play(steps, () => createLamportClock());
      expect(causalityViolation(events, (a, b) => a - b)).toBeUndefined();
    }),
  );
});

test('hybrid clock: every timestamp is at least the physical time, and at most the bound ahead of it', () => {
  const forward = schedules.map((steps) => steps.filter((s) => s.kind !== 'jump'));
  fc.assert(
    fc.property(forward, (steps) => {
      play<HybridTimestamp>(steps, (clock) => {
        const hlc = hybrid(clock);
        const check = (stamp: HybridTimestamp) => {
          expect(stamp.wallMs).toBeGreaterThanOrEqual(clock.now());
          expect(stamp.wallMs).toBeLessThanOrEqual(clock.now() + skewMsMax);
          return stamp;
        };
        return {
          tick: () => check(hlc.tick()),
          receive(remote) {
            const stamp = hlc.receive(remote);
            return stamp && check(stamp);
          },
        };
      });
    }),
  );
});

test('hybrid clock: the counter is at most the number of events since the millisecond changed', () => {
  fc.assert(
    fc.property(schedules, (steps) => {
      const events = play(steps, (clock) => hybrid(clock));
      const perMs = new Map<number, number>();
      for (const { stamp } of events) {
        const count = perMs.get(stamp.wallMs) ?? 0;
        expect(stamp.counter).toBeLessThanOrEqual(count);
        perMs.set(stamp.wallMs, count + 1);
      }
    }),
  );
});

test('hybrid clock: it never goes back when the physical clock does, and follows it again when it has caught up', () => {
  const alarms: ClockAlarm[] = [];
  const physical = movableClock();
  const hlc = createHybridClock({ clock: physical.clock, onAlarm: (alarm) => alarms.push(alarm) });
  expect(hlc.tick()).toEqual({ wallMs: baseMs, counter: 0 });
  physical.set(baseMs - 3_600_000);
  expect(hlc.tick()).toEqual({ wallMs: baseMs, counter: 1 });
  physical.pass(3_599_999);
  expect(hlc.tick()).toEqual({ wallMs: baseMs, counter: 2 });
  physical.pass(2);
  expect(hlc.tick()).toEqual({ wallMs: baseMs + 1, counter: 0 });
  expect(alarms).toEqual([{ kind: 'local-jump', byMs: -3_600_000 }]);
});

/** The messages that processes of one machine refuse, all of which look at their clock before it is set. */
function refusedOnOneMachine(steps: readonly Step[], createClock: (clock: Clock) => HybridClock): string[] {
  const { clock, pass, set } = movableClock();
  const clocks = Array.from({ length: nodeCount }, () => createClock(clock));
  const refused: string[] = [];
  for (const s of steps) {
    if (s.kind === 'pass') pass(s.ms);
    else if (s.kind === 'local') clocks[s.node]?.tick();
    else if (s.kind === 'message') {
      const sent = (clocks[s.from] as HybridClock).tick();
      try {
        clocks[s.to]?.receive(sent);
      } catch {
        refused.push(`${s.from} to ${s.to}`);
      }
    } else {
      for (const hlc of clocks) hlc.tick();
      set(clock.now() + s.byMs);
    }
  }
  return refused;
}

test('hybrid clock: processes of one machine never refuse one another, however its clock is set', () => {
  fc.assert(
    fc.property(schedules, (steps) => {
      expect(refusedOnOneMachine(steps, (clock) => createHybridClock({ clock, skewMsMax }))).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('that check fails for a clock that judges by what the wall clock says now', () => {
  const byTheWall = (clock: Clock): HybridClock => {
    const hlc = createHybridClock({ clock, skewMsMax });
    const receive = (remote: HybridTimestamp) => {
      if (remote.wallMs > clock.now() + skewMsMax) throw new ClockSkewError(remote.wallMs - clock.now(), skewMsMax);
      return hlc.receive(remote);
    };
    return { ...hlc, receive };
  };
  const steps: Step[] = [
    { kind: 'jump', node: 0, byMs: -3_600_000 },
    { kind: 'message', from: 0, to: 0 },
    { kind: 'message', from: 0, to: 1 },
  ];
  expect(refusedOnOneMachine(steps, byTheWall)).toEqual(['0 to 0', '0 to 1']);
});

test('hybrid clock: when a clock that was set back has caught up, peers are judged by it again', () => {
  const physical = movableClock();
  const hlc = createHybridClock({ clock: physical.clock, skewMsMax });
  physical.set(baseMs - 10_000);
  physical.pass(2_000);
  const reachedMs = baseMs + 2_000;
  expect(hlc.receive({ wallMs: reachedMs + skewMsMax, counter: 0 }).wallMs).toBe(reachedMs + skewMsMax);
  expect(() => hlc.receive({ wallMs: reachedMs + skewMsMax + 1, counter: 0 })).toThrow(
    expect.objectContaining({ aheadMs: 10_501, retry: { afterMs: 10_001 } }),
  );
  physical.pass(10_001);
  expect(hlc.receive({ wallMs: reachedMs + skewMsMax + 1, counter: 0 }).wallMs).toBe(reachedMs + skewMsMax + 1);
  expect(() => hlc.receive({ wallMs: reachedMs + skewMsMax + 2, counter: 0 })).toThrow(ClockSkewError);
});

test('hybrid clock: a full counter carries into the milliseconds', () => {
  const physical = movableClock();
  const hlc = createHybridClock({ clock: physical.clock });
  let last = hlc.tick();
  let inOrder = true;
  for (let i = 0; i < 70_000; i++) {
    const next = hlc.tick();
    inOrder &&= compareTimestamps(next, last) > 0 && next.counter <= 0xffff;
    last = next;
  }
  expect(inOrder).toBe(true);
  expect(last).toEqual({ wallMs: baseMs + 1, counter: 70_000 - 65_536 });
  expect(hlc.receive({ wallMs: baseMs + 5, counter: 0xffff })).toEqual({ wallMs: baseMs + 6, counter: 0 });
});

test('hybrid clock: a timestamp at the bound is accepted; beyond it refused with the excess as retry advice', () => {
  const alarms: ClockAlarm[] = [];
  const physical = movableClock();
  const hlc = createHybridClock({ clock: physical.clock, onAlarm: (alarm) => alarms.push(alarm) });
  expect(hlc.receive({ wallMs: baseMs + 500, counter: 3 })).toEqual({ wallMs: baseMs + 500, counter: 4 });
  expect(alarms).toEqual([]);
  const remote = { wallMs: baseMs + 620, counter: 0 };
  expect(() => hlc.receive(remote)).toThrow(
    expect.objectContaining({ category: 'unavailable', retry: { afterMs: 120 }, aheadMs: 620 }),
  );
  expect(hlc.latest).toEqual({ wallMs: baseMs + 500, counter: 4 });
  expect(alarms).toEqual([{ kind: 'remote-ahead', aheadMs: 620, remote }]);
  for (const nonsense of [
    { wallMs: Number.NaN, counter: 0 },
    { wallMs: -1, counter: 0 },
    { wallMs: baseMs, counter: 70_000 },
    { wallMs: baseMs, counter: Number.NaN },
  ]) {
    expect(() => hlc.receive(nonsense)).toThrow(ClockSkewError);
  }
  expect(hlc.latest).toEqual({ wallMs: baseMs + 500, counter: 4 });
});

test('hybrid clock: after a restart it goes on after the highest known timestamp', () => {
  const physical = movableClock();
  const start = { wallMs: baseMs + 400, counter: 9 };
  expect(createHybridClock({ clock: physical.clock, start }).tick()).toEqual({ wallMs: baseMs + 400, counter: 10 });
});

const timestamp = fc.record({
  wallMs: fc.oneof(
    fc.maxSafeNat().map((n) => n % 0x1_0000_0000_0000),
    fc.constantFrom(0, 0xffff_ffff_ffff, baseMs),
  ),
  counter: fc.nat(0xffff),
});

test('timestamps: text keeps the order and comes back as it was', () => {
  fc.assert(
    fc.property(timestamp, timestamp, (a, b) => {
      const [textA, textB] = [formatTimestamp(a), formatTimestamp(b)];
      expect(parseTimestamp(textA)).toEqual(a);
      expect(textA).toHaveLength(17);
      expect(textA < textB ? -1 : textA > textB ? 1 : 0).toBe(Math.sign(compareTimestamps(a, b)));
    }),
  );
});

test('timestamps: any other text is refused', () => {
  for (const text of ['', 'x', '0190a4c2e3f0-000', '0190A4C2E3F0-0000', '0190a4c2e3f0_0000', '0190a4c2e3f0-0000\n']) {
    expect(() => parseTimestamp(text)).toThrow(ClockFormatError);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!/^[0-9a-f]{12}-[0-9a-f]{4}$/.test(text));
      expect(() => parseTimestamp(text)).toThrow(ClockFormatError);
    }),
  );
});

test('Lamport clock: nonsense is refused and does not move it', () => {
  const clock = createLamportClock({ start: 7 });
  for (const remote of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    expect(() => clock.receive(remote)).toThrow(ClockFormatError);
  }
  expect(clock.latest).toBe(7);
  expect(clock.receive(41)).toBe(42);
});

test('as text, a clock speaks and understands only its own format', () => {
  const clock = createTextClock(createHybridClock({ clock: movableClock().clock }));
  const first = clock.tick();
  expect(clock.receive(first) > first).toBe(true);
  expect(() => clock.receive('yesterday')).toThrow(ClockFormatError);
});

test('hybrid clock: what is written to one row follows in order, whoever writes and however wrong their clocks are', () => {
  const writes = fc.array(fc.record({ node, jumpMs: fc.integer({ min: -5_000, max: 5_000 }), passMs: fc.nat(40) }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(writes, (steps) => {
      const physical = Array.from({ length: nodeCount }, () => movableClock());
      const clocks = physical.map(({ clock }) => createHybridClock({ clock, skewMsMax }));
      let row: HybridTimestamp | undefined;
      for (const { node: who, jumpMs, passMs } of steps) {
        const { clock, set, reachedMs } = physical[who] as ReturnType<typeof movableClock>;
        for (const p of physical) p.pass(passMs);
        if (jumpMs % 3 === 0) set(clock.now() + jumpMs);
        const hlc = clocks[who] as HybridClock;
        const before = hlc.latest.wallMs;
        const stamp: HybridTimestamp = row ? hlc.tickAfter(row) : hlc.tick();
        if (row) expect(compareTimestamps(stamp, row)).toBeGreaterThan(0);
        // The row of one whose clock is wrong has not made this one wrong.
        expect(hlc.latest.wallMs).toBeLessThanOrEqual(Math.max(before, reachedMs() + skewMsMax));
        row = stamp;
      }
    }),
  );
});
