// After 25 quiet days everything fails for five minutes: when somebody is woken, until when, and what it cost.
import { createHistory, type Objective, statusOf } from '#kit/objectives';

const minuteMs = 60_000;
const objective: Objective = { key: 'orders.place', kind: 'availability', target: 0.999 };
const history = createHistory();
let before = '';

const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = 25 * dayMs;
for (let atMs = 0; atMs < startMs; atMs += hourMs) {
  history.add({ source: 'a', atMs, forMs: hourMs, counts: { 'orders.place': [36_000, 0, 0] } });
}

for (let minute = 0; minute <= 480; minute++) {
  const failed = minute >= 60 && minute < 65 ? 600 : 0;
  history.add({
    source: 'a',
    atMs: startMs + minute * minuteMs,
    forMs: minuteMs,
    counts: { 'orders.place': [600, failed, 0] },
  });
  const [status] = statusOf([objective], history, startMs + (minute + 1) * minuteMs);
  const alerts =
    status?.alerts.map(({ severity, factor }) => `${severity} (${factor} times too fast)`).join(', ') || 'quiet';
  if (alerts !== before)
    console.log(`minute ${minute + 1}: ${alerts}; budget left ${((status?.budgetLeft ?? 1) * 100).toFixed(0)} %`);
  before = alerts;
}
