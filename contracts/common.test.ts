import { expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from './common.ts';

test('a cursor comes back as it was given out', () => {
  expect(decodeCursor(encodeCursor(['ord_1', 7, null]))).toEqual(['ord_1', 7, null]);
});

test.each([
  ['no base64url of JSON', 'nonsense'],
  ['no list', Buffer.from('{"id":1}').toString('base64url')],
  ['a list of lists', Buffer.from('[[1]]').toString('base64url')],
  ['a text with NUL', Buffer.from('["a\\u0000"]').toString('base64url')],
  ['half a surrogate pair', Buffer.from('["\\ud800"]').toString('base64url')],
])('a forged cursor is none: %s', (_, cursor) => {
  expect(decodeCursor(cursor)).toBeUndefined();
});
