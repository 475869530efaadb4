import type { Row } from './rows.ts';

/** A stretch of a lane: what its node was, from one row to another. */
export interface Life {
  readonly node: string;
  readonly state: 'up' | 'down' | 'paused';
  readonly fromRow: number;
  readonly toRow: number;
}

const changes: readonly (readonly [RegExp, Life['state']])[] = [
  [/^starts|^goes on|^is back/, 'up'],
  [/^crashes|^is away|^is killed/, 'down'],
  [/^is paused/, 'paused'],
];

/** When each node was there, gone, or asleep. Read off the words of the trace, as a person would. */
export function livesOf(rows: readonly Row[], lanes: readonly string[]): Life[] {
  const lives: Life[] = [];
  const now = new Map(lanes.map((node) => [node, { state: 'up' as Life['state'], fromRow: 0 }]));
  const change = (node: string, state: Life['state'], row: number) => {
    const was = now.get(node);
    if (!was || was.state === state) return;
    if (row > was.fromRow) lives.push({ node, ...was, toRow: row });
    now.set(node, { state, fromRow: row });
  };
  rows.forEach(({ event: { kind, node, text } }, row) => {
    if (kind !== 'node' && kind !== 'fault') return;
    const state = changes.find(([words]) => words.test(text))?.[1];
    if (state) change(node, state, row);
    // Healing brings every database back.
    if (kind === 'fault' && node === '') for (const lane of lanes) if (lane.startsWith('db-')) change(lane, 'up', row);
  });
  for (const [node, was] of now) lives.push({ node, ...was, toRow: rows.length });
  return lives;
}
