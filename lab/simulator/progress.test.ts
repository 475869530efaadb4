import { expect, test } from 'vitest';
import { createProgress } from './progress.ts';

function watched(isTTY: boolean, isAsked: boolean) {
  const said: string[] = [];
  let nowMs = 0;
  const stream = { isTTY, write: (text: string) => said.push(text) > 0 } as unknown as NodeJS.WriteStream;
  const progress = createProgress({ stream, isAsked, elapsedMs: () => nowMs });
  for (nowMs of [500, 600, 9_000, 10_400, 10_500, 30_000]) progress(`at ${nowMs}`);
  progress('');
  return said;
}

test('progress is one line that changes on a terminal, and a line now and then elsewhere, if it is asked for', () => {
  expect(watched(true, false)).toHaveLength(7);
  expect(watched(true, false).at(-2)).toBe('\r\x1b[2Kat 30000');
  expect(watched(true, true).at(-1)).toBe('\r\x1b[2K');
  expect(watched(false, true)).toEqual(['at 500\n', 'at 10500\n', 'at 30000\n']);
  expect(watched(false, false)).toEqual([]);
});
