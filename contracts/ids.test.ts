import { expect, test } from 'vitest';
import { idTimeMs, makeId } from './ids.ts';

test('ids of services and of browsers have one layout, and both say when they were made', () => {
  // As a service made it, with the time that the order says.
  const placedMs = Date.parse('2026-11-22T03:59:42.769Z');
  expect(idTimeMs('ord_01M80PHTNH7VPAX8HJVC91ZTM0')).toBe(placedMs);
  const made = makeId('sal', placedMs, new Uint8Array(20).fill(255));
  expect(made).toBe('sal_01M80PHTNHZZZZZZZZZZZZZZZZ');
  expect(idTimeMs(made)).toBe(placedMs);
});

test('what is no id has no time', () => {
  for (const text of ['', 'ord_', 'ord_01M80PHTNH7VPAX8HJVC91ZTMI', '01M80PHTNH7VPAX8HJVC91ZTM0']) {
    expect(idTimeMs(text)).toBeUndefined();
  }
});
