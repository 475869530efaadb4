import { createLimiter, createLimitHeaders } from '#kit/limits';
import { createVirtualWorld } from '#kit/runtime';

const world = createVirtualWorld({ seed: 1 });
const limiter = createLimiter({ ...world, policies: { user: { quota: 1_000 } } });
const headers = createLimitHeaders(limiter, ['user']);

let passed = 0;
while (limiter.check('user', 'ada').allowed) passed++;
console.log(passed, 'at once');

const refused = limiter.check('user', 'ada');
console.log(refused.retryAfterMs.toFixed(2), 'ms to wait;', headers.of('user', refused)['ratelimit']);

await world.advance(250);
for (passed = 0; limiter.check('user', 'ada').allowed; ) passed++;
console.log(passed, 'after a quarter of a second');
