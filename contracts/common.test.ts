import { expect, test } from 'vitest';
import { decodeCursor, Email, encodeCursor, instantOf, pageFrom, positionOf } from './common.ts';

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

test('a page says where the next one goes on, and the last one does not', () => {
  const rows = [{ id: 'a' }, { id: 'b' }, { id: 'c' }];
  const first = pageFrom(rows, 2, ({ id }) => [id]);
  expect(first.items).toEqual([{ id: 'a' }, { id: 'b' }]);
  expect(positionOf(first.nextCursor, 'text')).toEqual(['b']);
  expect(pageFrom(rows, 3, ({ id }) => [id])).toEqual({ items: rows });
  expect(positionOf(undefined, 'text')).toBeUndefined();
});

test.each([[[]], [['a', 'b']], [[1]], [[null]]])('a cursor of another list is refused: %j', (position) => {
  expect(() => positionOf(encodeCursor(position), 'text')).toThrow(/is not a cursor of this list/);
});

test.each([
  ['2026-11-21T21:52:20Z', 1_795_297_940_000],
  ['2026-11-21T21:52:20.290Z', 1_795_297_940_290],
  ['2026-11-21T22:52:20.290123+01:00', 1_795_297_940_290],
  ['2024-02-29T00:00:00z', 1_709_164_800_000],
  ['0001-01-01T00:00:00Z', -62_135_596_800_000],
  ['9999-12-31T23:59:59.999Z', 253_402_300_799_999],
])('an RFC 3339 time is read to the millisecond: %s', (text, ms) => {
  expect(instantOf(text)).toBe(ms);
});

test.each([
  '2026-11-21',
  '2026-11-21T21:52:20',
  '2026-11-21 21:52:20',
  '2026-02-30T00:00:00Z',
  '2025-02-29T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-11-21T25:00:00Z',
  '+012026-11-21T21:52:20Z',
  '-271821-04-20T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00+14:00',
  '9999-12-31T23:59:59-14:00',
  '5',
  'tomorrow',
  '',
])('what each machine reads otherwise, or no calendar has, is no time: %j', (text) => {
  expect(instantOf(text)).toBeUndefined();
});

test('an e-mail address holds nothing that is not seen, or that turns around what is shown', () => {
  const fits = new RegExp((Email as { pattern?: string }).pattern ?? '', 'u');
  for (const email of ['ada@example.com', "o'brien+shop@bücher.example", 'ада@пример.рф', '李@例え.jp'])
    expect(fits.test(email), email).toBe(true);
  for (const odd of ['\u0000', '\u0007', '\u007f', '\u0085', '\u200b', '\u202e', '\u2066', ' ', '\r\n', '@', '\u00a0'])
    for (const email of [`a${odd}b@example.com`, `ab@exa${odd}mple.com`])
      expect(fits.test(email), encodeURIComponent(email)).toBe(false);
});
