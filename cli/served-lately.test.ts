import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createTelemetry } from '#kit/telemetry';
import { createServedLately } from './served-lately.ts';

test('it tells of the last seconds and not of what was before, and of the one service that is asked about', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const telemetry = createTelemetry({ ...world, service: 'test' });
  const durations = telemetry.histogram({
    name: 'holdfast_request_duration_seconds',
    help: 'Time.',
    labels: ['service', 'status'],
  });
  const serve = (times: number, service: string, status: string, seconds: number) => {
    for (let i = 0; i < times; i++) durations.observe({ service, status }, seconds);
  };
  const lately = createServedLately({ world, service: 'edge', metrics: telemetry.metrics });
  expect(lately.read()).toEqual({ requestsPerSec: 0, failedRatio: 0 });
  await lately.component.start?.();

  serve(30, 'edge', '2xx', 0.004);
  serve(10, 'edge', '5xx', 0.004);
  serve(1_000, 'orders', '2xx', 4);
  await world.advance(4_000);
  expect(lately.read()).toEqual({ requestsPerSec: 10, failedRatio: 0.25, p50Ms: 3.8, p99Ms: 5 });

  await world.advance(60_000);
  expect(lately.read()).toEqual({ requestsPerSec: 0, failedRatio: 0 });
  serve(50, 'edge', '2xx', 0.02);
  await world.advance(1_000);
  expect(lately.read()).toMatchObject({ failedRatio: 0, p50Ms: 17.5 });
  await lately.component.stop?.();
});
