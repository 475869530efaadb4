import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createLogExport, createLogger, createTee, createTelemetry, isSampled } from './index.ts';

function linesOf(level: 'debug' | 'info' | 'warn') {
  const lines: Record<string, unknown>[] = [];
  const { clock } = createVirtualWorld({ seed: 1 });
  const log = createLogger({ clock, level, destination: { write: (line) => void lines.push(JSON.parse(line)) } });
  return { lines, log };
}

test('what is kept may tell more than what is shown; of an untraced request only what went wrong is kept', () => {
  const [shown, kept] = [linesOf('warn'), linesOf('info')];
  const log = createTee(shown.log, kept.log).with({ service: 'orders' });
  log.info('served', { n: 1, sampled: true });
  log.info('served', { n: 2, sampled: false });
  log.info('started', { n: 3 });
  log.warn('served', { n: 4, sampled: false });
  log.error('broken', { n: 5 });
  log.debug('event', { n: 6 });
  expect(shown.lines.map(({ n }) => n)).toEqual([4, 5]);
  expect(kept.lines.map(({ n }) => n)).toEqual([1, 3, 4, 5]);
  expect(kept.lines.every(({ service }) => service === 'orders')).toBe(true);
});

test('of each name the first requests of a second are recorded; the rest by the ratio; what is no request by the ratio alone', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const telemetry = createTelemetry({ ...world, service: 'x', sampleRatio: 0, samplePerSec: 2 });
  const recorded = (name: string, count: number, kind: 'server' | 'client' = 'server') =>
    Array.from({ length: count }, () => telemetry.span(name, undefined, {}, kind)).filter((span) => span.recording)
      .length;
  expect(recorded('GET /products', 1_000)).toBe(2);
  expect(recorded('POST /orders', 2)).toBe(2);
  expect(recorded('GET /products', 10)).toBe(0);
  await world.advance(1_000);
  expect(recorded('GET /products', 10)).toBe(2);
  expect(recorded('call users.jwks', 10, 'client')).toBe(0);
  // Names that nobody counted on share one allowance, so that they take no memory.
  for (let i = 0; i < 1_000; i++) recorded(`GET /${i}`, 1);
  expect(recorded('GET /another', 10)).toBe(0);
});

test('each recorded span is handed on as a line, and no other', () => {
  const lines: string[] = [];
  const world = createVirtualWorld({ seed: 1 });
  const spansKept = { append: (line: string) => void lines.push(line) };
  const telemetry = createTelemetry({ ...world, service: 'x', sampleRatio: 0, samplePerSec: 1, spansKept });
  telemetry.span('a', undefined, { password: 'hunter2' }, 'server').end();
  telemetry.span('a', undefined, {}, 'server').end();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ name: 'a', attributes: { password: '[redacted]' } }]);
});

test('the flag of a traceparent tells whether it is recorded', () => {
  const at = (flags: string) => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`;
  expect([at('01'), at('03'), at('00'), at('02'), '', undefined].map(isSampled)).toEqual([
    ...[true, true, false, false, false, false],
  ]);
});

test('log lines are sent by OTLP with their trace, level and fields; what is no line is left out', async () => {
  const bodies: { url: string | undefined; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push({ url: request.url, body });
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
    const logs = await createLogExport({ url }, { 'service.name': 'holdfast' });
    const { clock } = createVirtualWorld({ seed: 1, startMs: 1_000_000 });
    const log = createLogger({ clock, destination: { write: logs.add } });
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    log.warn('served', { traceId, status: 503, problem: { code: 'x/y' } });
    logs.add('{"torn');
    await logs.stop();
    expect(bodies).toHaveLength(1);
    expect(bodies[0]?.url).toBe('/v1/logs');
    const [record, ...others] = JSON.parse(bodies[0]?.body as string).resourceLogs[0].scopeLogs[0].logRecords;
    expect(others).toEqual([]);
    expect(record).toMatchObject({
      ...{ timeUnixNano: '1000000000000', severityNumber: 13, severityText: 'warn', traceId },
      body: { stringValue: 'served' },
    });
    expect(record.attributes).toContainEqual({ key: 'status', value: { intValue: 503 } });
    expect(record.attributes).toContainEqual({ key: 'problem', value: { stringValue: '{"code":"x/y"}' } });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
