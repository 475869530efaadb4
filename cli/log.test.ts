import { expect, test } from 'vitest';
import { logLevel } from './log.ts';

test('a level that is none is refused with those that are; none at all means warn', () => {
  expect(logLevel('debug')).toBe('debug');
  expect(logLevel(undefined)).toBe('warn');
  expect(logLevel('')).toBe('warn');
  expect(() => logLevel('loud')).toThrow(
    'HOLDFAST_LOG is "loud": give one of debug, info, warn, error, or leave it out.',
  );
});
