// Two machines whose clocks disagree by 300 ms, and one message between them.
import { createHybridClock, formatTimestamp, parseTimestamp } from '#kit/clock';
import { createVirtualWorld } from '#kit/runtime';

const { clock } = createVirtualWorld({ seed: 1, startMs: Date.UTC(2030, 0, 1) });
const ahead = { now: () => clock.now() + 300, monotonicMs: clock.monotonicMs };

const tokyo = createHybridClock({ clock: ahead });
const dublin = createHybridClock({ clock, onAlarm: (alarm) => console.log('alarm:', alarm.kind, alarm) });

const sent = formatTimestamp(tokyo.tick());
const received = formatTimestamp(dublin.receive(parseTimestamp(sent)));
const reply = formatTimestamp(dublin.tick());
console.log({ sent, received, reply, inOrder: sent < received && received < reply });

try {
  dublin.receive({ wallMs: clock.now() + 60_000, counter: 0 });
} catch (error) {
  console.log(String(error));
}
