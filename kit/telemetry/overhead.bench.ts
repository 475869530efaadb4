/**
 * What telemetry costs per use, on the system's own clock.
 * Run: node kit/telemetry/overhead.bench.ts
 */
import { systemClock as clock, systemRandom as random } from '#kit/runtime';
import { createLogger, createTelemetry, redactFields } from '#kit/telemetry';

let writtenChars = 0;
const destination = {
  write(line: string) {
    writtenChars += line.length;
  },
};
const log = createLogger({ clock, destination });
const pretty = createLogger({ clock, destination, format: 'pretty' });
const bound = log.with({ service: 'orders', correlationId: 'cor_01J5A3K9QZ8X4T2V7M6N1P0RSW', step: 3 });

const sampled = createTelemetry({ clock, random, log, service: 'bench', sampleRatio: 1 });
const unsampled = createTelemetry({ clock, random, log, service: 'bench', sampleRatio: 0 });
const labels = { service: 'orders', operation: 'place', outcome: 'ok' };
const description = { help: 'x', labels: ['service', 'operation', 'outcome'] } as const;
const counter = sampled.counter({ name: 'bench_total', ...description });
const histogram = sampled.histogram({ name: 'bench_seconds', ...description });
const counterSeries = counter.series(labels);
const histogramSeries = histogram.series(labels);
const passing = unsampled.span('root', undefined);
const traceparent = passing.traceparent;
const fields = {
  orderId: 'ord_01J5A3K9QZ8X4T2V7M6N1P0RSW',
  lines: 3,
  amountMinor: 12_990,
  currency: 'EUR',
  durationMs: 12.5,
};
const headers = { host: 'shop.example', authorization: 'Bearer abc', cookie: 'sid=1', 'user-agent': 'curl/8' };

function measure(name: string, use: (i: number) => void): void {
  const count = 200_000;
  const rounds: number[] = [];
  for (let round = 0; round < 5; round++) {
    const startMs = clock.monotonicMs();
    for (let i = 0; i < count; i++) use(i);
    rounds.push(((clock.monotonicMs() - startMs) * 1_000) / count);
  }
  console.log(`${name.padEnd(52)} ${rounds.sort((a, b) => a - b)[2]?.toFixed(3)} µs`);
}

measure('span, unsampled, under a span', () => unsampled.span('x', passing, fields).end());
measure('span, unsampled, from traceparent', () => unsampled.span('x', traceparent, fields).end());
measure('span, unsampled, new trace', () => unsampled.span('x', undefined, fields).end());
measure('span, sampled, 5 attributes', () => sampled.span('x', undefined, fields).end());
measure('counter', () => counter.add(labels));
measure('counter, series at hand', () => counterSeries.add());
measure('histogram', (i) => histogram.observe(labels, (i % 1_000) / 1_000));
measure('histogram, series at hand', (i) => histogramSeries.observe((i % 1_000) / 1_000));
measure('redaction alone, 5 ordinary fields', () => redactFields(fields));
measure('redaction alone, headers with secrets', () => redactFields({ headers }));
measure('log line, level off', () => log.debug('order placed', fields));
measure('log line, 5 fields and 3 bound', () => bound.info('order placed', fields));
measure('log line, pretty', () => pretty.info('order placed', fields));

if (writtenChars === 0) throw new Error('the log wrote nothing');
