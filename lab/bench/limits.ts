import { createLimiter, createLimitHeaders } from '#kit/limits';
import { seededRandom, systemRandom } from '#kit/runtime';
import type { BenchOptions } from './options.ts';
import { barOf, median, openReport, type Report, type Run, rounded } from './report.ts';

const users = 1_000_000;
const checks = 2_000_000;

/** A million users who all spend at the same moment: how much memory each takes, and how long a check does. */
export async function benchLimits(options: BenchOptions, onProgress: (line: string) => void): Promise<Report> {
  const finish = openReport('limits');
  const keys = Array.from({ length: users }, (_, i) => `usr_01JD${i.toString(36).toUpperCase().padStart(22, '0')}`);
  const perSec: number[] = [];
  const withHeaders: number[] = [];
  let bytesEach = 0;
  for (let round = 1; round <= options.rounds; round++) {
    // Time stands still, so that nobody's slot is free for another.
    const clock = { now: () => 0, monotonicMs: () => 1_000 };
    const limiter = createLimiter({ clock, random: systemRandom, policies: { user: { quota: 1_000 } } });
    for (const key of keys) limiter.check('user', key);
    if (limiter.forgotten > 0) throw new Error(`${limiter.forgotten} of ${users} users were forgotten`);
    bytesEach = limiter.sizeBytes / users;
    const headers = createLimitHeaders(limiter, ['user']);
    const random = seededRandom(round, 'limits');
    const drawn = Array.from({ length: 100_000 }, () => keys[Math.floor(random.next() * users)] as string);
    perSec.push(measured(drawn, (key) => limiter.check('user', key)));
    withHeaders.push(measured(drawn, (key) => headers.of('user', limiter.check('user', key))));
    onProgress(`limits: ${perSec.at(-1)} checks/s over ${users} users, ${bytesEach.toFixed(1)} bytes each`);
  }
  const run = (name: string, values: readonly number[]): Run => {
    const each = 1_000 / median(values);
    return { name, clients: 1, perSec: median(values), p50Ms: rounded(each, 6), p99Ms: rounded(each, 6) };
  };
  return finish({
    bars: [
      barOf({
        name: 'checks over 1,000,000 users',
        value: median(perSec),
        limit: 500_000,
        unit: '/s',
        rule: 'at-least',
      }),
      barOf({ name: 'memory of one user', value: rounded(bytesEach, 1), limit: 200, unit: 'bytes', rule: 'below' }),
    ],
    ratios: {},
    runs: [run('check', perSec), run('check and headers', withHeaders)],
    details: { perSec, withHeaders, users },
  });
}

/** By processor time, because others use the machine too; on a quiet one it is the same. */
function measured(keys: readonly string[], check: (key: string) => unknown): number {
  const before = process.cpuUsage();
  for (let done = 0; done < checks; done += keys.length) for (const key of keys) check(key);
  const { user, system } = process.cpuUsage(before);
  return Math.round((checks * 1_000_000) / (user + system));
}
