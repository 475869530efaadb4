import type { TraceEvent } from '../trace.ts';

/** A stretch of a lane: what its node was, from one moment to another. */
export interface Life {
  readonly node: string;
  readonly state: 'up' | 'down' | 'paused';
  readonly fromMs: number;
  readonly toMs: number;
}

const changes: readonly (readonly [RegExp, Life['state']])[] = [
  [/^starts|^goes on|^is back/, 'up'],
  [/^crashes|^is away|^is killed/, 'down'],
  [/^is paused/, 'paused'],
];

/** When each node was there, gone, or asleep. Read off the words of the trace, as a person would. */
export function livesOf(events: readonly TraceEvent[], lanes: readonly string[]): Life[] {
  const lives: Life[] = [];
  const now = new Map(lanes.map((node) => [node, { state: 'up' as Life['state'], fromMs: 0 }]));
  const change = (node: string, state: Life['state'], atMs: number) => {
    const was = now.get(node);
    if (!was || was.state === state) return;
    if (atMs > was.fromMs) lives.push({ node, ...was, toMs: atMs });
    now.set(node, { state, fromMs: atMs });
  };
  for (const { kind, node, text, atMs } of events) {
    if (kind !== 'node' && kind !== 'fault') continue;
    const state = changes.find(([words]) => words.test(text))?.[1];
    if (state) change(node, state, atMs);
    // Healing brings every database back.
    if (kind === 'fault' && node === '') for (const lane of lanes) if (lane.startsWith('db-')) change(lane, 'up', atMs);
  }
  const endMs = events.at(-1)?.atMs ?? 0;
  for (const [node, was] of now) lives.push({ node, ...was, toMs: endMs });
  return lives;
}
