import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createLogger, type LoggerOptions } from './logger.ts';

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const { clock } = createVirtualWorld({ seed: 1, startMs: Date.UTC(2030, 0, 1) });
  const log = createLogger({ clock, destination: { write: (line) => lines.push(line) }, ...options });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line)) };
}

test('a line is one JSON object with time, level, message and fields', () => {
  const { log, lines } = capture({ fields: { service: 'orders' } });
  log.with({ correlationId: 'c1', step: 2 }).info('order placed', { orderId: 'ord_1', amountMinor: 1299 });
  expect(lines).toEqual([
    '{"level":"info","time":"2030-01-01T00:00:00.000Z","service":"orders","correlationId":"c1","step":2,"orderId":"ord_1","amountMinor":1299,"msg":"order placed"}\n',
  ]);
});

test('lines below the level are not written', () => {
  const { log, parsed } = capture({ level: 'warn' });
  log.debug('no');
  log.info('no');
  log.warn('yes');
  log.with({ a: 1 }).error('yes');
  expect(parsed().map((line) => line.level)).toEqual(['warn', 'error']);
});

test('message, fields, bound fields and base fields are redacted, in both formats', () => {
  for (const format of ['json', 'pretty'] as const) {
    const { log, lines } = capture({ format, fields: { apiKey: 'hunter2' } });
    log
      .with({ password: 'hunter2', note: 'token=hunter2' })
      .with({ x: { cookie: 'hunter2' } })
      .error('Bearer hunter2', {
        headers: { authorization: 'hunter2' },
        err: new Error('password=hunter2', { cause: new Error('Bearer hunter2') }),
        error: Object.assign(new Error('x'), { secret: 'hunter2' }),
      });
    const text = lines.join('');
    expect(text).not.toContain('hunter2');
    expect(text.match(/redacted/g)?.length).toBeGreaterThanOrEqual(8);
  }
});

test('errors are written with type, message, stack, category and causes', () => {
  const { log, parsed } = capture();
  const cause = new TypeError('inner');
  log.error('failed', { error: Object.assign(new Error('outer', { cause }), { category: 'timeout' }) });
  expect(parsed()[0].error).toMatchObject({
    type: 'Error',
    message: 'outer',
    category: 'timeout',
    stack: expect.stringContaining('logger.test.ts'),
    cause: { type: 'TypeError', message: 'inner' },
  });
});

test('an error that was foreseen says what is wrong in one line, without stacks', () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const error = Object.assign(new Error('orders: no database', { cause }), {
    category: 'unavailable',
    fault: 'elsewhere',
    retry: { afterMs: 5 },
  });
  const { log, parsed } = capture();
  log.warn('failed', { error });
  expect(parsed()[0].error).toEqual({
    type: 'Error',
    message: 'orders: no database',
    category: 'unavailable',
    fault: 'elsewhere',
    retry: { afterMs: 5 },
    cause: { type: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' },
  });
  const pretty = capture({ format: 'pretty' });
  pretty.log.warn('failed', { error });
  expect(pretty.lines).toEqual(['00:00:00.000 WARN  failed error=Error: orders: no database\n']);
});

test('an error of ours keeps its stack and that of its cause, also where whoever passed it on blamed somebody else', () => {
  const cause = new TypeError('x is undefined');
  for (const error of [
    Object.assign(new Error('internal', { cause }), { category: 'internal', fault: undefined }),
    Object.assign(new TypeError('y is undefined', { cause }), { fault: 'elsewhere' }),
  ]) {
    const { log, parsed } = capture();
    log.error('failed', { error });
    const stack = expect.stringContaining('logger.test.ts');
    expect(parsed()[0].error).toMatchObject({ stack, cause: { stack } });
  }
});

test('fields can not pretend to be the time, level or message of the line', () => {
  const { log, lines, parsed } = capture();
  log.info('real', { level: 'error', msg: 'forged', time: 'never' });
  log.with({ level: 'error' }).info('real');
  expect(parsed()[0]).toEqual({
    level: 'info',
    time: '2030-01-01T00:00:00.000Z',
    msg: 'real',
    level_: 'error',
    msg_: 'forged',
    time_: 'never',
  });
  expect(lines[1]?.match(/"level":/g)).toHaveLength(1);
});

test('pretty lines are for people, and nobody can forge one', () => {
  const { log, lines } = capture({ format: 'pretty', fields: { service: 'orders' } });
  log.warn('saga stalled', { step: 3, reason: 'no answer', none: undefined, data: { a: 1 } });
  expect(lines[0]).toBe('00:00:00.000 WARN  saga stalled service=orders step=3 reason=no answer data={"a":1}\n');
  log.info('a\nforged line\u001b[31m', { 'k\n': 'v\r\n\u2028x' });
  expect(lines[1]).toBe(
    '00:00:00.000 INFO  a\\u000aforged line\\u001b[31m service=orders k\\u000a=v\\u000d\\u000a\\u2028x\n',
  );
  log.error('failed', { error: new Error('broken') });
  expect(lines[2]).toMatch(/^00:00:00\.000 ERROR failed service=orders error=Error: broken\n {6}at .*logger\.test\.ts/);
});

test('colours are used when asked for', () => {
  const { log, lines } = capture({ format: 'pretty', colour: true });
  log.error('x');
  expect(lines[0]).toContain('\u001b[31mERROR\u001b[0m');
});
