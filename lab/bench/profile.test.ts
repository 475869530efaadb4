import { expect, test } from 'vitest';
import { sharesOf } from './profile.ts';

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber });

test('self time is summed by function and by part, the largest first', () => {
  const root = new URL('../..', import.meta.url).href;
  const { functions, parts, totalMs } = sharesOf({
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('run', `${root}kit/store/database.ts`, 9) },
      { id: 3, callFrame: frame('take', `${root}kit/store/connections.ts`, 4) },
      { id: 4, callFrame: frame('parse', `${root}node_modules/pg-protocol/dist/parser.js`, 1) },
    ],
    samples: [1, 2, 3, 2, 4],
    timeDeltas: [1_000, 2_000, 3_000, 4_000, 500],
  });
  expect(totalMs).toBe(10.5);
  expect(functions[0]).toEqual({ name: 'run kit/store/database.ts:10', ms: 6 });
  expect(parts.slice(0, 2)).toEqual([
    { name: 'kit/store', ms: 9 },
    { name: '(idle)', ms: 1 },
  ]);
  expect(parts[2]).toEqual({ name: 'pg-protocol', ms: 0.5 });
});
